"""One run of a plan: engine to outputs, at its pace, with its report."""
