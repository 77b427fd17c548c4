"""Tools of MCP servers, as a plugin of codex-agent."""
