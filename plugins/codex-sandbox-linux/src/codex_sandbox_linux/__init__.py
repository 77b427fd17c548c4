"""Confines commands on Linux: bubblewrap or Landlock, with a seccomp filter for both."""
