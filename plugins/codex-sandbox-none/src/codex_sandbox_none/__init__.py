"""Commands without a sandbox, where that was chosen."""
