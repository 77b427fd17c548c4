"""The tool sample, as a plugin of codex-agent."""
