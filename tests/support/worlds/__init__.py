"""Small worlds, each for the tests of one thing."""
