"""Anomalies and incidents as they are in truth, and what is found out about them later."""
