"""The vocabulary: frozen values for ops, events, items, usage and ids."""
