"""What is wrong with this box or installation, with the command that mends it."""
