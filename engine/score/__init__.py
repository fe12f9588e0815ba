"""From answers to a verdict with an interval."""
