"""Distributions: what a user declares, and its variates for arrays and scalars alike."""
