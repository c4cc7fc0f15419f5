"""Recognisers, metrics with intervals, and acoustic features: what an anonymised utterance kept and lost."""
