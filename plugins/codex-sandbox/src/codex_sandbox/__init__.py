"""The command `codex sandbox`, as a plugin of codex-agent."""
