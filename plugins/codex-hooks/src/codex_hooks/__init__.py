"""Lifecycle hooks: commands that the user configures, run at the events of a thread."""
