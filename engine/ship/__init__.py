"""From an adapter to artifacts proven equal to what was trained."""
