"""From a plan to the kernel's instructions."""
