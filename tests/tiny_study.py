"""A study in miniature that runs every stage for real: made-up corpus, untrained models, two rows.

As a script it is the run that the SIGKILL test kills: python tests/tiny_study.py FOLDER
"""

import sys
from pathlib import Path

from stand_in import make_corpus
from tiny_models import make_models

from emotrace.study.layout import Layout
from emotrace.study.profiles import ALL_MEASURES, CUE_MEASURES, Corpus, Profile, Selection
from emotrace.study.rows import select_rows
from emotrace.study.runner import run_rows

ROWS = select_rows(["original", "ECAPA-anon-T6"])


def make_tiny(folder: Path) -> Path:
    """Corpus and models in ``folder``."""
    make_corpus(folder / "corpus")
    make_models(folder / "models")
    return folder


def tiny_layout(shared: Path, folder: Path, *, seed: int = 0) -> Layout:
    """The study of the corpus and models in ``shared``, working in ``folder``."""
    corpora = (
        Corpus("emotional", shared / "corpus", ALL_MEASURES, transcribed_per_cell=0, neutral_is_read=True),
        Corpus("f0", shared / "corpus", CUE_MEASURES, rows=("original",)),
    )
    selection = Selection(n_farthest=10, n_random=5)
    profile = Profile("tiny", corpora, folder / "work", folder / "results", selection=selection)
    return Layout(profile, seed=seed, models=shared / "models")


if __name__ == "__main__":
    run_rows(tiny_layout(Path(sys.argv[1]), Path(sys.argv[2])), ROWS, jobs=1)
