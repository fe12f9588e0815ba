"""One trainer a file, each TRL's own with our order, our token ids and our checkpoints."""
