"""The microkernel of codex-agent.

It knows what a turn is and nothing that touches the world. Import submodules by name:
this file stays empty because every `codex` process pays for what it imports.
"""
