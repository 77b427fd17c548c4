"""A guard for commands, as a plugin of codex-agent."""
