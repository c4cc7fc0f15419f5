"""Recorded rows made again from nothing on this machine, and how far the two agree, utterance by utterance."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotrace.corpus.files import write_text_atomic
from emotrace.analysis.metrics import MetricError
from emotrace.pipeline.results import RECOGNISED, UTTERANCES
from emotrace.study.layout import Layout
from emotrace.study.profiles import Profile, ProfileError
from emotrace.pipeline.rows import STUDIED_LAYER, Row
from emotrace.study.runner import read_provenance, row_state, run_rows
from emotrace.study.study import Study
from emotrace.analysis.tables import COLUMNS, TableError, metric_interval
from emotrace.engine.workers import DEFAULT_JOBS

PREDICTIONS = ("hypothesis", *RECOGNISED)
MEASURED = ("centroid_hz", "kurtosis", "loudness_lufs", "f0_mean_hz")
KEYS = ["corpus", "utterance"]
KEPT = "reproductions.csv"
TOLERANCE = 1e-6  # percentage points


@dataclass(frozen=True)
class Agreement:
    """A recorded row and the same row made again.

    Attributes:
        row: its name.
        state: of the recorded row, "done" or "stale"; what is stale need not agree.
        predictions: how many transcripts and recognised emotions (every recogniser and seed) both have.
        different: how many of them differ.
        transcripts: how many of the different ones are transcripts.
        features: largest relative difference of an acoustic feature of an utterance.
        metrics: largest difference of a number of table II or of an end of its interval, in percentage points.
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
        return self.different == 0 and self.metrics <= TOLERANCE

    def text(self) -> str:
        """What was found, in one line."""
        return (
            f"{self.different} of {self.predictions:,} predictions differ ({self.transcripts} transcripts); largest "
            f"difference: features {self.features:.1e} (relative), table II {self.metrics:.1e} points"
        )


FOUND = tuple(field.name for field in fields(Agreement))


def together(found: Sequence[Agreement]) -> Agreement:
    """Several rows as one: counts added up, the largest of the differences, "stale" where one is."""
    counts = {name: sum(getattr(line, name) for line in found) for name in ("predictions", "different", "transcripts")}
    largest = {name: max(getattr(line, name) for line in found) for name in ("features", "metrics")}
    return Agreement("all", max(line.state for line in found), **counts, **largest)


def apart(layout: Layout) -> Layout:
    """The same layout with a place of its own for everything that is computed, so that nothing is taken over."""
    folder = layout.profile.work / "reproduction"
    return layout.of(replace(layout.profile, work=folder / "work", results=folder / "results"))


def reproduce(
    layout: Layout,
    rows: Sequence[Row],
    *,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    fresh: bool = False,
) -> list[Agreement]:
    """Make recorded rows again, apart from everything computed before, and compare; killed, it resumes.

    ``fresh``: forget what earlier reproductions computed, those of other rows included.

    Raises:
        ProfileError: a row is not recorded, or the data is not there.
        ModelError: a row needs a model that is not there.
    """
    if missing := [row.name for row in rows if read_provenance(layout, row) is None]:
        raise ProfileError(f"no results of {', '.join(missing)} are recorded, so there is nothing to compare with")
    again = apart(layout)
    if fresh:
        shutil.rmtree(again.profile.work.parent, ignore_errors=True)
    run_rows(again, rows, jobs=jobs, scheduler=scheduler)
    return [agreement(layout, again, row) for row in rows]


def recorded_everywhere(profile: Profile) -> list[tuple[Layout, list[Row]]]:
    """Every row that has recorded results, at whatever layer and seed, grouped by those of its layout."""
    groups: dict[int, list[Row]] = {}
    for path in sorted(profile.results.glob("*/provenance.json")):
        recorded = json.loads(path.read_text())
        layer = (recorded["identity"]["row"]["ir"] or {}).get("layer") or STUDIED_LAYER
        groups.setdefault(recorded["seed"], []).extend(profile.select([recorded["row"]], layer=layer))
    return [(Layout(profile, seed=seed), rows) for seed, rows in sorted(groups.items())]


def keep_agreements(layout: Layout, rows: Sequence[Row], found: Sequence[Agreement], path: Path | None = None) -> Path:
    """Put what `reproduce` found of some rows into ``reproductions.csv`` beside the results, or ``path``.

    A row has one line for each processor: what was found last. Beside the fields of `Agreement` it says which results
    were compared (``recorded``, a time), and of their second making time, git commit, machine, processor and minutes of
    its last call.
    """
    again, path = apart(layout), path or layout.profile.results / KEPT
    lines = {(line["row"], line["cpu"]): line for line in _kept(path)}
    for row, line in zip(rows, found, strict=True):
        made = asdict(line) | {"row": layout.results(row).name} | _circumstances(layout, again, row)
        lines[made["row"], made["cpu"]] = made
    write_text_atomic(path, pd.DataFrame(list(lines.values())).to_csv(index=False))
    return path


def read_reproductions(layout: Layout, rows: Sequence[Row], path: Path | None = None) -> pd.DataFrame:
    """One line for each reproduction of the rows, as kept, and its ``verdict``: "same", "differs" or "outdated".

    Outdated: the row's results have been recorded anew since. Without lines where no row was made again.
    """
    kept, found = _kept(path or layout.profile.results / KEPT), []
    for row in rows:
        for line in (line for line in kept if line["row"] == layout.results(row).name):
            now = read_provenance(layout, row)
            current = now is not None and now["recorded"] == line["recorded"]
            same = Agreement(**{name: line[name] for name in FOUND}).holds()
            found.append(line | {"verdict": ("same" if same else "differs") if current else "outdated"})
    columns = [*FOUND, "recorded", "made_again", "commit", "machine", "cpu", "kernels", "minutes", "note", "verdict"]
    return pd.DataFrame(found, columns=columns)


def _kept(path: Path) -> list[dict[str, Any]]:
    return pd.read_csv(path).to_dict("records") if path.exists() else []


def _circumstances(layout: Layout, again: Layout, row: Row) -> dict[str, Any]:
    first, second = (read_provenance(each, row) for each in (layout, again))
    return {
        "recorded": first["recorded"],
        "made_again": second["recorded"],
        "commit": second["environment"]["git_commit"],
        "machine": second["environment"]["machine"],
        "cpu": second["environment"]["cpu"],
        "kernels": again.profile.kernels,
        "minutes": round(second["wall_seconds_of_last_call"] / 60, 1),
    }


def agreement(recorded: Layout, again: Layout, row: Row) -> Agreement:
    """How far a row's results in two places agree. Raises ProfileError where they are not of the same utterances."""
    first, second = (_utterances(layout.results(row)) for layout in (recorded, again))
    if not first.index.equals(second.index):
        raise ProfileError(f"{row.name}: the recorded utterances are not those of the data at hand")
    different = {name: int((first[name].fillna("") != second[name].fillna("")).sum()) for name in PREDICTIONS}
    return Agreement(
        row.name,
        row_state(recorded, row).state,
        sum(int(first[name].notna().sum()) for name in PREDICTIONS),
        sum(different.values()),
        different["hypothesis"],
        max(_relative(first[name], second[name]) for name in MEASURED),
        _metrics(recorded, again, row),
    )


def _utterances(folder: Path) -> pd.DataFrame:
    lines = pd.read_parquet(folder / "utterances.parquet").reindex(columns=UTTERANCES.names)
    return lines.set_index(KEYS).sort_index()


def _relative(first: pd.Series, second: pd.Series) -> float:
    """Largest |second - first| / |first|, or |second| where first is 0; infinite where only one is defined."""
    one, other = (values.to_numpy(float) for values in (first, second))
    if (np.isnan(one) != np.isnan(other)).any():
        return float("inf")
    defined = ~np.isnan(one)
    if not defined.any():
        return 0.0
    one, other = one[defined], other[defined]
    return float((np.abs(other - one) / np.where(one == 0, 1.0, np.abs(one))).max())


def _metrics(recorded: Layout, again: Layout, row: Row) -> float:
    """Largest difference of a number of table II or of an end of its interval."""
    one, other = (_numbers(layout, row) for layout in (recorded, again))
    return max(abs(one[name] - other[name]) for name in one)


def _numbers(layout: Layout, row: Row) -> dict[str, float]:
    own = replace(layout.profile, models=layout.models.folder, backends=layout.backends)
    study = Study(own, [row.name], layer=STUDIED_LAYER if row.ir is None else row.ir.layer, seed=layout.seed)
    numbers = {}
    for name in COLUMNS:
        try:
            found = metric_interval(study, row.name, name)._asdict()
        except (TableError, MetricError):  # not measured, or undefined with so few speakers
            continue
        numbers |= {f"{name} {part}": value for part, value in found.items()}
    return numbers
