"""A flow as basic blocks, before its plan: its shape, who holds what, and the types of locals."""
