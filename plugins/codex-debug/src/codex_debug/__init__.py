"""The commands `codex completion` and `codex debug`, as a plugin of codex-agent."""
