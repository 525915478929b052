"""The engines: a plan in, a trace of what happened out."""
