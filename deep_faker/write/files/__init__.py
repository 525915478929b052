"""Data sets of files: written, listed, read back and verified."""
