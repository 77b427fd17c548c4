"""The command review: findings on code changes, as text or as one JSON object."""
