"""The study: rows, profiles, the resumable runner, and the tables of what it found."""

from emotrace.study.study import Study

__all__ = ["Study"]
