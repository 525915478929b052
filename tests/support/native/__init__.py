"""Machines and inputs for the native engine's tests."""
