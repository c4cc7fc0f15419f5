"""Profiles, the two verbs, and the study that is a loop over them."""

from emotrace.study.study import Study

__all__ = ["Study"]
