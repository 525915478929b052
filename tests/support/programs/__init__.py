"""Random programs and plans."""
