"""What is compiled: the kernel and all that it calls."""
