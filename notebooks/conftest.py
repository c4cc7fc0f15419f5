"""The notebooks under nbval run the real study, every stage, on a part of the phantom: one utterance for each emotion.

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

from emotrace.corpus.datadir import DataDir, Utterance, write_datadir

ROOT = Path(__file__).resolve().parents[1]
PAIR = frozenset({"f1", "m1"})  # speakers of the isolation sets; an interval over speakers needs two
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
    """Write one trial and one enrolment utterance of each kind; all speakers where there are trials, else PAIR.

    All, because an interval of the EER draws speakers of one gender; of fewer than four, too many draws are of one.
    """
    speakers = source.speakers if source.trials else PAIR
    first: dict[tuple[object, ...], Utterance] = {}
    for utterance in source:
        if utterance.speaker in speakers:
            first.setdefault((utterance.speaker, utterance.emotion, utterance.id in source.enrolment), utterance)
    kept = {utterance.id: utterance for utterance in first.values()}
    trials = [trial for trial in source.trials if trial.utterance in kept]
    write_datadir(target, kept.values(), enrolment=set(source.enrolment) & set(kept), trials=trials)


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
