"""The tool mcp_server, as a plugin of codex-agent."""
