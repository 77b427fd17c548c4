"""Sub-agents as tools, as a plugin of codex-agent."""
