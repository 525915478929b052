"""Defects of events on their way: who has which, what they make of the values, and the order of arrival."""
