"""Training over several processes: one box or more, DDP or FSDP2, the same rows in every step."""
