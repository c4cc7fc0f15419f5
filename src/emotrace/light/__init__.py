"""The recognisers whose networks run on numpy: the same measurements without torch."""
