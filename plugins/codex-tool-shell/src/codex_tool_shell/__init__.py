"""Tools exec_command and write_stdin: shell commands with sessions that outlive the call."""
