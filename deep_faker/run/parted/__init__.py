"""Runs in parts: who makes them, and what makes one data set of them."""
