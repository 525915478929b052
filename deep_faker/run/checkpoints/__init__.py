"""Checkpoints: what is in them, where they lie, and what a run must be to go on."""
