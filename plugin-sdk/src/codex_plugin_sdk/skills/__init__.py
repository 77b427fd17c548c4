"""Skills as files: where they live, what they say, which are switched off. Shared by those that show or use them."""
