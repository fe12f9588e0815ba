"""The GPU suite: `make gpu-check`."""
