"""Local analytics, as a plugin of codex-agent."""
