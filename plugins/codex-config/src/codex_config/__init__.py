"""The tool config, as a plugin of codex-agent."""
