"""The exec command with its text and JSONL renderers."""
