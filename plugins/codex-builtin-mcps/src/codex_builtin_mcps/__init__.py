"""MCP servers that come with the program."""
