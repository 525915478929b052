"""A trace becomes one frame for each event type: free fields are made, keys and ground truth added."""
