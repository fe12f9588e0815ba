"""From files of any kind to rows."""
