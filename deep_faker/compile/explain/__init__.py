"""A plan in the words of its author."""
