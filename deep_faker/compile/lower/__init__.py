"""From the tree of a function to blocks of operations."""
