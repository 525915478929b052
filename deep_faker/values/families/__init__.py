"""Families of values that are written by hand, by column."""
