"""Recorded rows reproduced from nothing on this machine, and how far the two agree, utterance by utterance."""

import json
import math
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.contrasts import COLUMNS, TableError, metric_interval
from emotrace.analysis.metrics import MetricError
from emotrace.corpus.datadir import DataDir, write_datadir
from emotrace.corpus.files import write_text_atomic
from emotrace.engine.runner import RunError, state_of
from emotrace.engine.workers import DEFAULT_JOBS
from emotrace.pipeline.results import emotion_columns, utterance_schema
from emotrace.pipeline.rows import STUDIED_LAYER, Row
from emotrace.study.profiles import Profile
from emotrace.study.run import RowWork, read_provenance, run_rows
from emotrace.study.study import Study

MEASURED = ("centroid_hz", "kurtosis", "loudness_lufs", "f0_mean_hz")
KEPT = "reproductions.csv"
TOLERANCE = 1e-6  # percentage points


@dataclass(frozen=True)
class Comparison:
    """A recorded row and the same row reproduced.

    Attributes:
        row: its name.
        state: of the recorded row, "done" or "stale"; what is stale need not agree.
        predictions: how many transcripts and recognised emotions (every recogniser and seed) both have.
        different: how many of them differ.
        transcripts: how many of the different ones are transcripts.
        features: largest relative difference of an acoustic feature of an utterance.
        metrics: largest difference of a number of table II or of an end of its interval, in percentage points; NaN
            where only a part of the utterances was reproduced.
    """

    row: str
    state: str
    predictions: int
    different: int
    transcripts: int
    features: float
    metrics: float

    def holds(self) -> bool:
        """Whether every prediction is the same and no metric differs by more than a millionth of a percentage point."""
        return self.different == 0 and not self.metrics > TOLERANCE

    def text(self) -> str:
        """What was found, in one line."""
        numbers = "" if math.isnan(self.metrics) else f", table II {self.metrics:.1e} points"
        return (
            f"{self.different} of {self.predictions:,} predictions differ ({self.transcripts} transcripts); largest "
            f"difference: features {self.features:.1e} (relative){numbers}"
        )


SIZES = ("features", "metrics")
FIELDS = tuple(field.name for field in fields(Comparison))


def together(comparisons: Sequence[Comparison]) -> Comparison:
    """Several rows as one: counts added up, the largest of the differences, "stale" where one is."""
    sums = ("predictions", "different", "transcripts")
    counts = {name: sum(getattr(each, name) for each in comparisons) for name in sums}
    largest = {name: float(np.fmax.reduce([getattr(each, name) for each in comparisons])) for name in SIZES}
    return Comparison("all", max(each.state for each in comparisons), **counts, **largest)


def isolated(profile: Profile) -> Profile:
    """The same profile with a place of its own for everything that is computed, so that nothing is taken over."""
    folder = profile.work / "reproduction"
    return replace(profile, work=folder / "work", results=folder / "results")


def reproduce(
    profile: Profile,
    rows: Sequence[Row],
    *,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    fresh: bool = False,
    speakers: int | None = None,
) -> list[Comparison]:
    """Reproduce recorded rows, isolated from everything computed before, and compare; killed, it resumes.

    ``fresh``: forget what earlier reproductions computed, those of other rows included. ``speakers``: reproduce only
    the utterances of `few_speakers`.

    Raises:
        RunError: a row is not recorded, the data is not there, or there is no part of it to reproduce.
        ModelError: a row needs a model that is not there.
    """
    if missing := [row.name for row in rows if read_provenance(profile, row) is None]:
        raise RunError(f"no results of {', '.join(missing)} are recorded, so there is nothing to compare with")
    again = isolated(profile)
    if fresh:
        shutil.rmtree(again.work.parent, ignore_errors=True)
    if speakers is not None:
        again = few_speakers(again, speakers)
    run_rows(again, rows, jobs=jobs, scheduler=scheduler)
    return [compare(profile, again, row) for row in rows]


def few_speakers(profile: Profile, count: int) -> Profile:
    """The profile on ``count`` speakers of every corpus, women and men in turn: a part that costs a part of the time.

    Everything of these speakers is there, so pseudo-speakers are those of the whole. No matched recogniser, no
    attacker, and no corpus whose recognisers learn from its other folds: they need all speakers. Raises RunError where
    nothing is left.
    """
    if profile.ser_training is None:
        raise RunError(
            f"profile {profile.name}: its recognisers of emotion learn from the corpus itself, so a part of it cannot "
            "be reproduced; leave out --speakers"
        )
    corpora = []
    for corpus in (corpus for corpus in profile.corpora if not corpus.by_fold):
        data, folder = DataDir.read(corpus.path), profile.work.parent / f"speakers{count}" / corpus.name
        genders = [sorted({u.speaker for u in data if u.gender == gender}) for gender in ("f", "m")]
        chosen = [name for pair in zip_longest(*genders) for name in pair if name][:count]
        write_datadir(folder, [utterance for utterance in data if utterance.speaker in chosen])
        corpora.append(replace(corpus, path=folder))
    everyone = tuple(row.name for row in (*profile.rows, *(row for rows in profile.groups.values() for row in rows)))
    work = profile.work.parent / f"speakers{count}"
    return replace(profile, corpora=tuple(corpora), unmatched=everyone, results=work / "results")


def recorded_everywhere(profile: Profile) -> list[tuple[Profile, list[Row]]]:
    """Every row that has recorded results, at whatever layer and seed, grouped by the profile at each seed."""
    groups: dict[int, list[Row]] = {}
    for path in sorted(profile.results.glob("*/provenance.json")):
        recorded = json.loads(path.read_text())
        layer = (recorded["identity"]["row"]["ir"] or {}).get("layer") or STUDIED_LAYER
        groups.setdefault(recorded["seed"], []).extend(profile.select([recorded["row"]], layer=layer))
    return [(replace(profile, seed=seed), rows) for seed, rows in sorted(groups.items())]


def keep_comparisons(
    profile: Profile,
    rows: Sequence[Row],
    comparisons: Sequence[Comparison],
    path: Path | None = None,
    *,
    speakers: int | None = None,
) -> Path:
    """Put what `reproduce` found of some rows into ``reproductions.csv`` beside the results, or ``path``.

    A row has one line for each processor: what was found last; its note says where that is of few ``speakers``. Beside
    the fields of `Comparison` it says which results were compared (``recorded``, a time), and of the reproduction time,
    git commit, machine, processor and minutes of its last call.
    """
    again, path = isolated(profile), path or profile.results / KEPT
    note = "" if speakers is None else f"{speakers} speakers of each corpus; no matched recogniser, no EER"
    again = again if speakers is None else few_speakers(again, speakers)
    lines = {(line["row"], line["cpu"]): line for line in _kept(path)}
    for row, comparison in zip(rows, comparisons, strict=True):
        first, second = (read_provenance(each, row) for each in (profile, again))
        line = asdict(comparison) | {"row": RowWork(profile, row).folder.name}
        line |= {"recorded": first["recorded"], "reproduced": second["recorded"]}
        environment = second["environment"]
        line |= {"commit": environment["git_commit"], "machine": environment["machine"], "cpu": environment["cpu"]}
        line |= {"note": note, "kernels": again.kernels, "minutes": round(second["wall_seconds_of_last_call"] / 60, 1)}
        lines[line["row"], line["cpu"]] = line
    write_text_atomic(path, pd.DataFrame(list(lines.values())).to_csv(index=False))
    return path


def read_reproductions(profile: Profile, rows: Sequence[Row], path: Path | None = None) -> pd.DataFrame:
    """One line for each reproduction of the rows, as kept, and its ``verdict``: "same", "differs" or "outdated".

    Outdated: the row's results have been recorded anew since. Without lines where no row was reproduced.
    """
    kept, lines = _kept(path or profile.results / KEPT), []
    for row in rows:
        name, now = RowWork(profile, row).folder.name, read_provenance(profile, row)
        for line in (line for line in kept if line["row"] == name):
            current = now is not None and now["recorded"] == line["recorded"]
            same = Comparison(**{name: line[name] for name in FIELDS}).holds()
            lines.append(line | {"verdict": ("same" if same else "differs") if current else "outdated"})
    columns = [*FIELDS, "recorded", "reproduced", "commit", "machine", "cpu", "kernels", "minutes", "note", "verdict"]
    return pd.DataFrame(lines, columns=columns)


def _kept(path: Path) -> list[dict[str, Any]]:
    return pd.read_csv(path).to_dict("records") if path.exists() else []


def compare(recorded: Profile, again: Profile, row: Row) -> Comparison:
    """How far a row's results in two places agree, on the utterances of the second.

    Numbers of table II count where the utterances are the same. Raises RunError where the second has others.
    """
    lines = (pd.read_parquet(RowWork(profile, row).record.tables[0]) for profile in (recorded, again))
    columns = utterance_schema(recorded.recognisers).names
    first, second = (each.reindex(columns=columns).set_index(["corpus", "utterance"]).sort_index() for each in lines)
    if not second.index.isin(first.index).all():
        raise RunError(f"{row.name}: the recorded utterances are not those of the data at hand")
    whole = set(first["speaker"]) == set(second["speaker"]) and len(first) == len(second)
    first = first.loc[second.index]
    predictions = ("hypothesis", *emotion_columns(recorded.recognisers))
    there = [name for name in predictions if whole or second[name].notna().any()]
    different = {name: int((first[name].fillna("") != second[name].fillna("")).sum()) for name in there}
    return Comparison(
        row.name,
        state_of(RowWork(recorded, row)).state,
        sum(int(first[name].notna().sum()) for name in there),
        sum(different.values()),
        different.get("hypothesis", 0),
        max(_relative(first[name], second[name]) for name in MEASURED),
        _metrics(recorded, again, row) if whole else math.nan,
    )


def _relative(first: pd.Series, second: pd.Series) -> float:
    """Largest |second - first| / |first|, or |second| where first is 0; infinite where only one is defined."""
    one, other = (values.astype(float) for values in (first, second))
    if (one.isna() != other.isna()).any():
        return float("inf")
    return float(((other - one).abs() / one.abs().replace(0, 1)).fillna(0).max())


def _metrics(recorded: Profile, again: Profile, row: Row) -> float:
    """Largest difference of a number of table II or of an end of its interval; infinite where only one is defined."""
    one, other = (_numbers(profile, row) for profile in (recorded, again))
    if one.keys() != other.keys():
        return float("inf")
    return max((abs(number - other[name][end]) for name in one for end, number in enumerate(one[name])), default=0.0)


def _numbers(profile: Profile, row: Row) -> dict[str, Interval]:
    layer = STUDIED_LAYER if row.ir is None else row.ir.layer
    results, numbers = Study(profile, [row.name], layer=layer, seed=profile.seed), {}
    for name in COLUMNS:
        with suppress(TableError, MetricError):  # not measured, or undefined with so few speakers
            numbers[name] = metric_interval(results, row.name, name)
    return numbers
