"""What the model reads and learns of a row."""
