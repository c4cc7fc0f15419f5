"""emotrace: where does emotion go when speech is anonymised? The executable companion of the study.

Two verbs do the work, for the study, for the command line and for you:

    anonymise(data, row, models) -> DataDir
    evaluate(original, anonymised, labels, recognisers) -> Results
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FACE = {
    "DataDir": "corpus.datadir",
    "Row": "pipeline.rows",
    "Recognisers": "pipeline.measures",
    "Results": "study.results",
    "Study": "study.study",
    "anonymise": "study.verbs",
    "evaluate": "study.verbs",
}
__all__ = [*_FACE]


def __getattr__(name: str) -> Any:
    """The names above, loaded when they are first asked for: torch takes a second."""
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FACE[name]}"), name)
