"""The line-based UI: for dumb terminals and screen readers."""
