"""A committed data set of parts as a durable log: its events are read in one order and given to outputs."""
