"""From an objective and a dataset to advice and a resolved plan."""
