"""Columns of random texts: grammars, tables, cut draws, and texts written as words."""
