"""Code review, shared by every frontend: from a target to a prompt, from the model's reply to findings.

`target` names what is reviewed, `prompt` finds it with git, `output` reads and shows what the reviewer says, `turn`
runs the reviewer as a turn of a thread, and `session` is that turn for a frontend that has nothing else to do.
"""
