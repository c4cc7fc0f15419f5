"""The study: rows, profiles, the resumable runner, and the tables of what it found."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotrace.study.study import Study

__all__ = ["Study"]


def __getattr__(name: str) -> Any:
    """Import Study when it is asked for: with it come torch and transformers, which take seconds."""
    if name != "Study":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from emotrace.study.study import Study

    return Study
