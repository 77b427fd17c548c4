"""A broker for git: commits from a sandbox in which `.git` is read-only, behind approval."""
