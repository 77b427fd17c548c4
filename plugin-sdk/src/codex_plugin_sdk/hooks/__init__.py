"""Lifecycle hooks as the configuration sets them. Shared by those that show or run them."""
