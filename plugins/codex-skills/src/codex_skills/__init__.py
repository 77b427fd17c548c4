"""Skills, as a plugin of codex-agent."""
