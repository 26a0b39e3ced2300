"""The data product that is asked: what goes with three films, out of three rows of a ranking."""
