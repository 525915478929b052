"""The kernel as machine code: compiling it, keeping it, and taking over a run when it is there."""
