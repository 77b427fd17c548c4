"""The textual application. Nothing outside of this package imports textual."""
