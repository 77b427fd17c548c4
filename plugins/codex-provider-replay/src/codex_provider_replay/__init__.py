"""Model provider that plays a script or a recorded rollout."""
