"""Files that are whole or visibly not, and stay as they were left."""
