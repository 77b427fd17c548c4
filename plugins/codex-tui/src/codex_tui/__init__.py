"""The terminal UI. It is a client of the app server like any other: what it shows and does, another client can.

`link` is the connection, `session` what is known of a thread (no terminal in it), `render` turns that into rows of
text, `screen` is the textual application, `lines` the line-based one, `commands` what begins with a slash.
"""
