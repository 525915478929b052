"""Flows that run as Python generators, inside either engine."""
