"""The command `codex doctor`, as a plugin of codex-agent."""
