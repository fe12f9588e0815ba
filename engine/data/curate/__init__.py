"""What people decide about rows."""
