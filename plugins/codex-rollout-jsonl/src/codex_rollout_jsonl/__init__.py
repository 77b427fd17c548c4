"""Rollout store: append-only JSONL session files."""
