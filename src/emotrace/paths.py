"""Where everything lies: the only place that knows."""

import os
from pathlib import Path

from platformdirs import user_cache_path

PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = PACKAGE.parents[1] if (PACKAGE.parents[1] / "pyproject.toml").is_file() else user_cache_path("emotrace")
ROOT = Path(os.environ.get("EMOTRACE_ROOT", _CHECKOUT))
"""The checkout: its folders data, book and work. Of an installed package the user's cache, which has only work."""
SHIPPED = ROOT / "data" if (ROOT / "data" / "results").is_dir() else PACKAGE / "recorded"
"""What is read and never written by an evaluation: recorded results and reported values. They come with the package."""
MODELS = ROOT / "data" / "models" / "scale"
"""The models that the study ships."""
RESULTS = SHIPPED / "results"
WORK = ROOT / "work"
"""What is computed and not committed."""
REPORTED = SHIPPED / "paper" / "table2.csv"
"""The paper's table II."""


def checkpoints(folder: Path | None = None) -> Path:
    """Where released checkpoints lie: the folder given, else $EMOTRACE_CHECKPOINTS, else work/checkpoints."""
    return Path(folder or os.environ.get("EMOTRACE_CHECKPOINTS") or WORK / "checkpoints")


def source_of(corpus: str) -> Path:
    """Where a corpus is looked for: $EMOTRACE_DATA/<corpus>, else ../shared/data/<corpus> beside the checkout."""
    return Path(os.environ.get("EMOTRACE_DATA", ROOT.parent / "shared" / "data")) / corpus
