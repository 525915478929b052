"""The reference engine: what a run means, in plain code."""
