"""From a function to what its source says: names, what they mean, what no flow may do."""
