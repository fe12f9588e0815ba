"""Personal data and secrets: found, and treated as the project says."""
