"""Attach to an app server that runs: its threads and events as if they were opened in this process.

Nothing here is imported unless somebody attaches. The wire is that of docs/app-server.md; web sockets are the library
`websockets`, which a plugin that attaches declares itself.
"""
