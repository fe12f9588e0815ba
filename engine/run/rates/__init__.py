"""The learning-rate range test: one short climb of the rate, and what its curve proposes."""
