"""An undo journal without git: pre-images of what turns change, commands that restore them, a quarantine."""
