"""Tool update_plan."""
