"""Exec policy: rules files, shell commands taken apart, and the command `codex execpolicy`."""
