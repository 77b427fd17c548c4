"""A reviewer that lets the thread's own model judge approval requests."""
