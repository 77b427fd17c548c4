"""The tool mcp_bridge, as a plugin of codex-agent."""
