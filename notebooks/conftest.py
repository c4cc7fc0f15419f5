"""The notebooks under nbval run the real study, every stage, on a part of the phantom: four speakers instead of eight.

Results go to a folder of their own that starts empty, so that a test neither shows nor changes what `make book` made.
"""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell

from emotrace.corpus.datadir import DataDir, write_datadir

ROOT = Path(__file__).resolve().parents[1]
SPEAKERS = frozenset({"f1", "f2", "m1", "m2"})  # two of each gender for trials; folds 1 and 2 for the recognisers
LINKED = ("data/paper", "data/results/scale")


@functools.cache
def reduced_root() -> Path:
    """A folder laid out as the repository, with the reduced phantom and no phantom results."""
    root = Path(tempfile.mkdtemp(prefix="emotrace-notebooks-"))
    for truth in sorted((ROOT / "data" / "phantom").glob("*/truth.csv")):
        target = root / "data" / "phantom" / truth.parent.name
        reduce(DataDir.read(truth.parent), target)
        shutil.copy(truth, target)
    for name in LINKED:
        if (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(ROOT / name)
    return root


def reduce(source: DataDir, target: Path) -> None:
    """Write the utterances, enrolment and trials that involve nobody but SPEAKERS."""
    kept = {utterance.id: utterance for utterance in source if utterance.speaker in SPEAKERS}
    trials = [trial for trial in source.trials if trial.speaker in SPEAKERS and trial.utterance in kept]
    enrolment = [name for name in source.enrolment if name in kept]
    write_datadir(target, kept.values(), enrolment=enrolment, trials=trials)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """The first cell of a notebook starts its kernel, which inherits the environment of this moment."""
    if not isinstance(item, IPyNbCell):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTRACE_ROOT", str(reduced_root()))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
        return (yield)


def pytest_sessionfinish() -> None:
    if reduced_root.cache_info().currsize:
        shutil.rmtree(reduced_root(), ignore_errors=True)
