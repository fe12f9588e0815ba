"""From files to an immutable, documented dataset."""
