"""The learning curve of the recognisers of emotion: UAR by the number of speakers that they learn from.

A control whose gate is missed may have lost emotion, or its recogniser, trained on few voices, minds what no listener
would. Whether more voices close the gap between the recordings and the control says which it is.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.evaluation.ser import Features, trained_on
from emotrace.pipeline.results import RECOGNISERS, read_parquet, write_parquet
from emotrace.study.layout import Layout
from emotrace.pipeline.measures import Version, measure_tasks
from emotrace.study.profiles import Backends, Measure, Profile, ProfileError
from emotrace.engine.provenance import code_version, digest
from emotrace.pipeline.recognisers import emotion_recogniser
from emotrace.engine.record import Record
from emotrace.pipeline.rows import Row, select_rows
from emotrace.study.runner import RowState, require, running
from emotrace.engine.workers import DEFAULT_JOBS, Task

ROWS = ("original", "official-control", "log-mel")
DRAWS = 8  # of speakers, for each number of them
SOURCES = dict(zip(RECOGNISERS, (Measure.EMOTION, Measure.SPEAKER), strict=True))
PREDICTED = "predicted"
_KEYS = ("row", "recogniser", "utterance", "speaker", "emotion", "fold", PREDICTED)
LINES = pa.schema({**dict.fromkeys(_KEYS, pa.string()), "speakers": pa.int32(), "draw": pa.int32()})


def curve_profile(profile: Profile) -> Profile:
    """The emotional corpora of a profile, and of its rows those of the curve; places are the profile's own.

    Raises ProfileError where the recognisers do not learn from other speakers than those of the corpus.
    """
    if profile.ser_training is None:
        raise ProfileError(
            f"profile {profile.name}: its recognisers of emotion learn from the corpus itself, fold by fold, or come "
            "trained; a learning curve takes a set of other speakers, as profile scale has"
        )
    measures = frozenset(SOURCES.values())
    corpora = (corpus for corpus in profile.corpora if Measure.EMOTION in corpus.measures)
    corpora = tuple(replace(corpus, measures=corpus.measures & measures) for corpus in corpora)
    return replace(profile, corpora=corpora, rows=select_rows(ROWS), groups={})


def curve_record(profile: Profile) -> Record:
    """The recorded curve: learning_curve.parquet, one line per row, recogniser, draw of speakers and utterance."""
    return Record(profile.results / "learning_curve.parquet")


def speaker_draws(data: DataDir) -> list[tuple[frozenset[str], ...]]:
    """For 2, 4, 6, ... speakers, as many women as men, DRAWS sets of them; the set of all of them once.

    Raises ValueError where women and men are not equally many.
    """
    genders = [sorted({u.speaker for u in data if u.gender == gender}) for gender in ("f", "m")]
    if len({len(names) for names in genders}) > 1:
        counts = " and ".join(str(len(names)) for names in genders)
        raise ValueError(f"training speakers: {counts} of each gender; balanced draws take equally many")
    most = len(genders[0])
    return [tuple(_draw(genders, n, number) for number in range(DRAWS if n < most else 1)) for n in range(1, most + 1)]


def _draw(genders: Sequence[Sequence[str]], n: int, number: int) -> frozenset[str]:
    rng = np.random.default_rng([n, number])
    return frozenset(name for names in genders for name in rng.choice(names, size=n, replace=False).tolist())


def run_learning_curve(layout: Layout, *, jobs: int = DEFAULT_JOBS, scheduler: str | None = None) -> bool:
    """Record the learning curve of a layout's profile where it is missing or stale; whether anything was done.

    Killed, it resumes.

    Raises:
        ProfileError: the recognisers learn from no other speakers, or the data is not there, or another process runs.
        ModelError: a model is not there. TaskError: an utterance or a recogniser failed.
        CodeChangedError: the code was edited meanwhile.
    """
    own = layout.of(curve_profile(layout.profile))
    if curve_state(layout).state == "done":
        return False
    started, rows = time.monotonic(), own.profile.rows
    require(own, rows)
    with running(own, jobs, scheduler) as workers:
        workers.run(own.feature_tasks(rows), "features")
        for row in rows:
            workers.run(own.base_tasks(row), f"{row.name}: originals")
            workers.run(own.synthesis_tasks(row), f"{row.name}: synthesis")
            workers.run(_measure_tasks(own, row), f"{row.name}: measurement")
        tasks = _learning_tasks(own)
        workers.run(tasks, "learning curve")
    own.require_unchanged_code()
    lines = pd.concat([read_parquet(task.output) for task in tasks])
    save = partial(write_parquet, lines=lines, schema=LINES)
    curve_record(layout.profile).write(save, layout.profile.name, _identity(own, {}), time.monotonic() - started)
    return True


def curve_state(layout: Layout) -> RowState:
    """Where the curve stands: "done", "stale" with what differs, or "missing".

    Without the data, what is recorded is judged by everything else.
    """
    own = layout.of(curve_profile(layout.profile))
    with_data, record = own.profile.has_data(), curve_record(layout.profile)
    state = record.state(lambda recorded: _identity(own, {} if with_data else recorded["rows"]))
    return state or RowState(record.table.stem, "missing")


def _identity(own: Layout, known: Mapping[str, Any]) -> dict[str, Any]:
    """All that the curve depends on; the data hashes are those of the ``known`` identities of rows, else taken anew."""
    rows = {row.name: own.identity(row, data=known.get(row.name, {}).get("data")) for row in own.profile.rows}
    return {"rows": rows, "draws": DRAWS, "code": code_version(["study/learning_curve.py"])}


def _measure_tasks(own: Layout, row: Row) -> list[Task]:
    versions = (own.version(row, corpus) for corpus in own.corpora(row))
    return [task for version in versions for task in measure_tasks(version, own.backends, SOURCES.values())]


def _learning_tasks(own: Layout) -> list[Task]:
    """One task for each recogniser and number of speakers."""
    folder = own.profile.work / "learning-curve" / digest(_identity(own, {}))[:16]
    training = own.training_version()
    versions = tuple(own.version(row, corpus) for row in own.profile.rows for corpus in own.corpora(row))
    points = [(name, draws) for name in RECOGNISERS for draws in speaker_draws(training.original)]
    return [
        Task(
            f"{name} of {len(draws[0])} speakers",
            folder / f"{name}-{len(draws[0])}.parquet",
            learn,
            (name, own.backends, training, versions, draws),
        )
        for name, draws in points
    ]


def learn(
    output: Path,
    name: str,
    backends: Backends,
    training: Version,
    versions: Sequence[Version],
    draws: Sequence[frozenset[str]],
) -> None:
    """Train recogniser ``name`` on the originals of each draw of speakers, write what it says of every version."""
    recogniser, measure = emotion_recogniser(getattr(backends, name), backends.device), SOURCES[name]
    originals = _features(training, measure)
    tested = [(version, _labelled(version.original), _features(version, measure)) for version in versions]
    lines = []
    for number, speakers in enumerate(draws):
        train = [utterance for utterance in _labelled(training.original) if utterance.speaker in speakers]
        for version, utterances, features in tested:
            said = trained_on(recogniser, train, originals, utterances, features)
            point = {"row": version.row, "recogniser": name, "speakers": len(speakers), "draw": number}
            lines += [point | _line(utterance, said[utterance.id]) for utterance in utterances]
    write_parquet(output, pd.DataFrame(lines), LINES)


def _labelled(data: DataDir) -> list[Utterance]:
    return [utterance for utterance in data if utterance.emotion is not None]


def _features(version: Version, measure: Measure) -> Features:
    return {name: np.array(vector) for name, vector in version.read(measure).items()}


def _line(utterance: Utterance, predicted: str) -> dict[str, str | None]:
    line = {name: getattr(utterance, name) for name in ("speaker", "emotion", "fold")}
    return line | {"utterance": utterance.id, PREDICTED: predicted}
