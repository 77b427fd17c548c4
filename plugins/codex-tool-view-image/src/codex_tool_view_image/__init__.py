"""Tool view_image."""
