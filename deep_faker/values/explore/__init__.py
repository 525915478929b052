"""Methods of the libraries are run on symbolic draws, to learn what they make."""
