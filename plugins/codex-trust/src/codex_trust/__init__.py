"""Trust in projects: asked for once, pinned to content."""
