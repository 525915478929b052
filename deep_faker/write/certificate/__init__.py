"""A certificate beside a data set: statements in SQL that hold of its rows, and a script that runs them."""
