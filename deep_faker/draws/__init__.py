"""Keyed draws, ids and distributions: pure functions of a seed and of what they are for."""
