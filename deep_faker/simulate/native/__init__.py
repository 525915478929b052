"""The native engine: a plan as a table of small typed instructions, and one compiled kernel that walks it."""
