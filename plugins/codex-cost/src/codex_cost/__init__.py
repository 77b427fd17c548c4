"""What recorded sessions cost."""
