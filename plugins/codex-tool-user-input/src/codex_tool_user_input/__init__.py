"""Tools by which the model asks the user: a question, or for permissions."""
