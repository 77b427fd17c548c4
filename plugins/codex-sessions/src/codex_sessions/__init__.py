"""Recorded sessions: look through them, take them along, put them in order."""
