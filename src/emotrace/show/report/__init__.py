"""The report of an evaluation of two data directories."""
