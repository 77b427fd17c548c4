"""The tool app_server, as a plugin of codex-agent."""
