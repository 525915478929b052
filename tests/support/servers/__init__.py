"""Servers that tests start, on ports of their own."""
