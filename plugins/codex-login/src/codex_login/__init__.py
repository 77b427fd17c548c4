"""The commands login and logout, and the check `auth` of `codex doctor`."""
