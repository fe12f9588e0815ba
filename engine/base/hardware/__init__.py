"""What this box is: GPUs, CPU, memory and disk, each fact with how it may fail. Loads no torch."""
