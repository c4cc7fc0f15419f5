"""The learning curve of the emotion recognisers: would more training speakers close the gap of a control?

The recognisers are trained on the recordings of few speakers, then of more, and tested on every version of the test
speakers' speech. What is recorded has one line per row, recogniser, draw of speakers and utterance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from emotrace.analysis.bootstrap import Part, combination, ratio
from emotrace.analysis.statistics import Recall
from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.engine.code import digest
from emotrace.engine.runner import Record, RunError, Stages, run
from emotrace.engine.workers import DEFAULT_JOBS, Task
from emotrace.evaluation import SER
from emotrace.pipeline.measures import Measure, Measurement, Rendering, recogniser
from emotrace.pipeline.results import labelled, vectors_of, write_parquet
from emotrace.pipeline.rows import select_rows
from emotrace.study.profiles import Profile
from emotrace.study.run import works

ROWS = ("original", "official-control", "log-mel")
DRAWS = 8  # of speakers, for each number of them
PREDICTED = "predicted"
RECALL = Recall(PREDICTED)
_KEYS = ("row", "recogniser", "utterance", "speaker", "emotion", "fold", PREDICTED)
LINES = pa.schema({**dict.fromkeys(_KEYS, pa.string()), "speakers": pa.int32(), "draw": pa.int32()})
Points = dict[tuple[str, str, int], pd.DataFrame]  # predictions by row, recogniser, speakers learned from


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


class CurveWork:
    """The learning curve of a profile, as the engine runs and records it.

    Raises RunError where the recognisers do not learn from other speakers than those of the corpus.
    """

    name = "learning curve"

    def __init__(self, profile: Profile):
        if profile.ser_training is None:
            raise RunError(
                f"profile {profile.name}: its recognisers of emotion learn from the corpus itself, fold by fold, or "
                "come trained; a learning curve takes a set of other speakers, as profile scale has"
            )
        self.record = curve_record(profile)
        self.profile = profile.of_emotion(select_rows(ROWS), frozenset({Measure.EMOTION, Measure.SPEAKER}))
        self.rows = works(self.profile, self.profile.rows)
        self.keys = self.rows[0].keys

    def identity(self, recorded: Mapping[str, Any] | None = None) -> dict[str, Any]:
        known = (recorded or {}).get("rows", {})
        rows = {work.name: work.identity(known.get(work.name, recorded and {})) for work in self.rows}
        return {"rows": rows, "draws": DRAWS, "code": self.keys.code(f"{__name__}:learn", f"{__name__}:speaker_draws")}

    def require(self) -> None:
        for work in self.rows:
            work.require()

    def stages(self) -> Stages:
        made = [(f"{work.name}, {name}", tasks) for work in self.rows for name, tasks in work.stages()]
        return [*made, ("recognisers", self._learning())]

    def _learning(self) -> list[Task]:
        """One task for each recogniser and number of speakers."""
        folder = self.profile.work / "learning-curve" / digest(self.identity())[:16]
        training, recognisers = self.rows[0].training, self.profile.recognisers
        renderings = tuple(work.rendering(corpus) for work in self.rows for corpus in work.corpora)
        return [
            Task(
                f"{name} of {len(draws[0])} speakers",
                folder / f"{name}-{len(draws[0])}.parquet",
                learn,
                (name, SER.find(name), recognisers.emotion(name), recognisers.device, training, renderings, draws),
            )
            for name in recognisers.ser
            for draws in speaker_draws(training.data)
        ]

    def tables(self) -> Mapping[Path, Callable[[Path], None]]:
        lines = pd.concat([pd.read_parquet(task.output) for task in self._learning()])
        return {self.record.tables[0]: partial(write_parquet, lines=lines, schema=LINES)}

    def about(self) -> dict[str, Any]:
        return {"profile": self.profile.name}

    def require_unchanged_code(self) -> None:
        self.keys.require_unchanged_code()


def learn(
    output: Path,
    name: str,
    backend: type,
    measurement: Measurement,
    device: str,
    training: Rendering,
    renderings: Sequence[Rendering],
    draws: Sequence[frozenset[str]],
) -> None:
    """Train recogniser ``name`` on the originals of each draw of speakers, write its predictions of every rendering."""
    from emotrace.evaluation.ser import trained_on

    learner, originals = recogniser(backend, device), vectors_of(training.read(measurement))
    tested = [(each, labelled(each.data), vectors_of(each.read(measurement))) for each in renderings]
    lines = []
    for number, speakers in enumerate(draws):
        train = [utterance for utterance in labelled(training.data) if utterance.speaker in speakers]
        for each, utterances, features in tested:
            predictions = trained_on(learner, train, originals, utterances, features)
            point = {"row": each.name, "recogniser": name, "speakers": len(speakers), "draw": number}
            lines += [point | _line(utterance, predictions[utterance.id]) for utterance in utterances]
    write_parquet(output, pd.DataFrame(lines), LINES)


def _line(utterance: Utterance, predicted: str) -> dict[str, str | None]:
    line = {name: getattr(utterance, name) for name in ("speaker", "emotion", "fold")}
    return line | {"utterance": utterance.id, PREDICTED: predicted}


def curve_record(profile: Profile) -> Record:
    """Where the curve is recorded: learning_curve.parquet, and its provenance beside it."""
    return Record(profile.results / "learning_curve.json", (profile.results / "learning_curve.parquet",))


def run_learning_curve(profile: Profile, *, jobs: int = DEFAULT_JOBS, scheduler: str | None = None) -> bool:
    """Record the learning curve of a profile where it is missing or stale; whether anything was done.

    Killed, it resumes. Errors as of `engine.runner.run`; RunError where the recognisers learn from no other speakers.
    """
    return bool(run([CurveWork(profile)], profile.work, jobs=jobs, scheduler=scheduler, kernels=profile.kernels))


def learning_curve(profile: Profile, *, n_bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """UAR by the number of training speakers, mean over their draws, with intervals over the test speakers.

    Returns columns row, recogniser, speakers, metric, estimate, low, high: of every row "uar" in percent, and of the
    controls "kept", the share of the recordings' UAR, over the same draws of test speakers.

    Raises RunError where no curve is recorded.
    """
    points, options, lines = _points(profile), {"n": n_bootstrap, "seed": seed}, []
    for (row, name, speakers), frame in points.items():
        uar, point = Part(100.0, frame, RECALL), {"row": row, "recogniser": name, "speakers": speakers}
        lines.append({**point, "metric": "uar", **combination([uar], **options)._asdict()})
        if row != ROWS[0]:
            original = Part(100.0, points[ROWS[0], name, speakers], RECALL)
            lines.append({**point, "metric": "kept", **ratio(uar, original, **options)._asdict()})
    return pd.DataFrame(lines)


def gap_changes(profile: Profile, *, n_bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How many points wider the gap to the recordings' UAR is for the most speakers learned from than for the fewest.

    Paired: all four UAR over the same draws of test speakers. The speakers learned from are taken as given.

    Returns columns row (the controls), recogniser, fewest, most, estimate, low, high.

    Raises RunError where no curve is recorded.
    """
    points, lines = _points(profile), []
    numbers = [speakers for *_, speakers in points]
    fewest, most = min(numbers), max(numbers)
    for row, name in dict.fromkeys((row, name) for row, name, _ in points if row != ROWS[0]):
        signs = {(ROWS[0], most): 1, (row, most): -1, (ROWS[0], fewest): -1, (row, fewest): 1}
        parts = [Part(100.0 * sign, points[of, name, n], RECALL) for (of, n), sign in signs.items()]
        change = combination(parts, n=n_bootstrap, seed=seed)
        lines.append({"row": row, "recogniser": name, "fewest": fewest, "most": most} | change._asdict())
    return pd.DataFrame(lines)


def _points(profile: Profile) -> Points:
    """The predictions at each point of the curve, rows in their order."""
    record = curve_record(profile)
    if record.read() is None:
        raise RunError(
            f"no learning curve of profile {profile.name} is recorded; run: emotrace learning-curve "
            f"--profile {profile.name}"
        )
    points = dict(list(pd.read_parquet(record.tables[0]).groupby(["row", "recogniser", "speakers"])))
    return dict(sorted(points.items(), key=lambda point: ROWS.index(point[0][0])))
