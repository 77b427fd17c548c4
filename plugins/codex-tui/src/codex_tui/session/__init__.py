"""What is known of a thread: cells, status, questions. No terminal, no textual."""
