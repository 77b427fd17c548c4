"""Tool and command apply_patch: V4A patches."""
