"""What every session tells the model."""
