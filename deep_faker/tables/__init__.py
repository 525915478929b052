"""Where the tables of a finished run are, in memory or in files, and which columns tie them together."""
