"""One screen per stage, and home."""
