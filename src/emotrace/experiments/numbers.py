"""Every number of a study as tables for other programs.

cells.csv (of table II), tests.csv (of the claims), attribution.csv, shifts.csv (of recalls, the reported ones beside
them) and unfamiliar.csv (what a matched recogniser gains) lie beside the rows that they are computed from, with
numbers.json, their provenance. Rates are in percent, differences of rates in percentage points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotrace.analysis.attribution import attribution, coefficients
from emotrace.analysis.bias import recall_shifts, reported_shifts, unfamiliar_sound
from emotrace.analysis.bootstrap import UNDEFINED, Interval
from emotrace.analysis.claims import CLAIMS, claim_tests
from emotrace.analysis.contrasts import EMOTIONS, Contrast, TableError, interval_of, metric_interval
from emotrace.analysis.metrics import MetricError
from emotrace.analysis.seeds import Seeds, recorded_seeds
from emotrace.analysis.statistics import EqualErrorRate
from emotrace.corpus.files import file_sha256, write_text_atomic
from emotrace.engine.keys import Keys
from emotrace.engine.runner import Record, RunError, Stages, run
from emotrace.pipeline.results import joined
from emotrace.pipeline.rows import Row
from emotrace.representation.spec import ENCODERS
from emotrace.study import Study
from emotrace.study.profiles import Profile
from emotrace.study.results import Results
from emotrace.study.run import read_provenance

N_BOOTSTRAP, OF_TRIALS = 10_000, 2_000  # draws
TABLES = ("cells", "shares", "shifts", "unfamiliar")  # what makes them, beside `claims.claim_tests`
MEASURED = (*Interval._fields, "speakers", "n")
CELLS = ("row", "corpus", "metric", "recogniser", "attacker", "gender", *MEASURED)
SHARES = ("encoder", "corpus", "recogniser", "decision", "contrast", *Interval._fields, "least", "most", "over")


def recorded_rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of a profile that are recorded, those of its attributions and of unified vocoders included."""
    further = (row for name in ("attribution", "unified", "snapshots") for row in profile.groups.get(name, ()))
    rows = dict.fromkeys((*profile.rows, *(row for row in further if not row.variant)))
    return tuple(row for row in rows if read_provenance(profile, row) is not None)


def cells(results: Results, acted: Mapping[str, str]) -> pd.DataFrame:
    """One line per row, corpus and metric, of emotion per recogniser, of the EER per attacker and gender.

    Columns as CELLS: estimate, low, high, then how many speakers and how many utterances or trials. ``acted``: titles
    of the acted corpora, by name; other corpora go by their own names. What was not measured is left out.
    """
    lines, reads = [], (results.utterances["corpus"] == "read").any()
    for name, title in acted.items():
        own = results.on(name)
        for row in own.rows:
            for metric in (*EMOTIONS, "uar"):
                for recogniser in own.all_recognisers:
                    lines.append(_cell(own, row, metric, recogniser) | {"corpus": title, "recogniser": recogniser})
    kinds = {"wer_read": "read" if reads else "emotional", "wer_emotional": "emotional"}
    for row, (metric, kind) in product(results.rows, kinds.items()):
        if not results.lines(row, kind).empty:  # a row without read speech has no word error rate of it
            lines.append(_cell(results, row, metric) | {"corpus": acted.get(kind, kind)})
    table = pd.DataFrame([line for line in lines if "n" in line])
    trials = results.trials.assign(corpus=results.trials["corpus"].replace(dict(acted)))
    return pd.concat([table, pd.DataFrame(_error_rates(results, trials))], ignore_index=True).reindex(columns=CELLS)


def _cell(results: Results, row: str, metric: str, recogniser: str = "") -> dict[str, Any]:
    """A metric of a row; without numbers where it was not measured."""
    line = {"row": row, "metric": metric}
    try:
        (part,) = Contrast.of(metric, {row: 1}).parts(results, recogniser or None)
        interval = metric_interval(results, row, metric, recogniser or None)
    except (TableError, MetricError):
        return line
    return line | interval._asdict() | {"speakers": part.frame["speaker"].nunique(), "n": len(part.frame)}


def _error_rates(results: Results, trials: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """EER of every row, corpus and attacker, of women and of men, by fewer draws: there are many of both."""
    fewer = replace(results, n_bootstrap=min(results.n_bootstrap, OF_TRIALS))
    for (row, corpus, attacker, gender), own in trials.groupby(["row", "corpus", "attacker", "gender"], sort=False):
        line = {"row": row, "corpus": corpus, "metric": "eer", "attacker": attacker, "gender": gender}
        try:
            interval = interval_of(fewer, own, EqualErrorRate())
        except MetricError:
            interval = UNDEFINED
        yield line | interval._asdict() | {"speakers": own["speaker"].nunique(), "n": len(own)}


def shares(results: Results, acted: Mapping[str, str], seeds: Seeds) -> pd.DataFrame:
    """What every decision costs of UAR, by encoder, acted corpus and recogniser; columns as SHARES."""
    lines = []
    for name, title in acted.items():
        own = results.on(name)
        for encoder, about in ENCODERS.items():
            rows = {row for weights in coefficients(encoder).values() for row in weights}
            for recogniser in own.all_recognisers if rows <= set(own.rows) else ():
                options = {"seeds": seeds, "recogniser": recogniser, "encoder": encoder}
                try:
                    found = attribution(own, **options)
                except TableError:  # a row without a matched recogniser
                    continue
                cell = {"encoder": about.label, "corpus": title, "recogniser": recogniser}
                lines.append(found.rename(columns={"loss": "estimate"}).assign(**cell))
    return joined([*lines, pd.DataFrame(columns=SHARES)]).reindex(columns=SHARES)


def shifts(results: Results, acted: Mapping[str, str]) -> pd.DataFrame:
    """What every row and every reported system does to the recall of each emotion; columns as `bias.SHIFTS`."""
    own = [(title, results.on(name)) for name, title in acted.items()]
    found = [recall_shifts(there, _anonymised(there), title) for title, there in own if "original" in there.rows]
    return joined([*found, reported_shifts()])


def unfamiliar(results: Results, acted: Mapping[str, str]) -> pd.DataFrame:
    """What a matched recogniser gains, of every row and acted corpus; columns corpus, then those of `bias`."""
    own = [(title, results.on(name)) for name, title in acted.items()]
    found = [unfamiliar_sound(there, _anonymised(there)).assign(corpus=title) for title, there in own]
    return joined(found)


def _anonymised(results: Results) -> list[str]:
    return [row for row in results.rows if row != "original"]


class NumbersWork:
    """The tables of a profile's recorded rows, as the engine records them. Raises RunError where no row is recorded."""

    name = "numbers"

    def __init__(self, profile: Profile):
        self.profile, self.rows, self.keys = profile, recorded_rows(profile), Keys(profile)
        if not self.rows:
            raise RunError(f"no row of profile {profile.name} is recorded; run: emotrace run --profile {profile.name}")
        self.record = numbers_record(profile)

    def identity(self, recorded: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found = sorted(path for path in self.profile.results.glob("*/*.parquet"))
        results = {f"{path.parent.name}/{path.stem}": file_sha256(path) for path in found}
        code = self.keys.code(*(f"{__name__}:{name}" for name in (*TABLES, "NumbersWork")))
        return {"results": results, "n_bootstrap": N_BOOTSTRAP, "code": code}

    def require(self) -> None:
        """Recorded rows are all that it takes."""

    def stages(self) -> Stages:
        return []

    def tables(self) -> Mapping[Path, Callable[[Path], None]]:
        results = Study(self.profile, [row.name for row in self.rows], n_bootstrap=N_BOOTSTRAP)
        seeds, acted = recorded_seeds(self.profile), self.profile.acted
        tables = (cells(results, acted), claim_tests(results, CLAIMS, seeds, acted), shares(results, acted, seeds))
        tables = (*tables, shifts(results, acted), unfamiliar(results, acted))
        return {path: partial(_write, table=table) for path, table in zip(self.record.tables, tables, strict=True)}

    def about(self) -> dict[str, Any]:
        return {"profile": self.profile.name}

    def require_unchanged_code(self) -> None:
        self.keys.require_unchanged_code()


def _write(path: Path, table: pd.DataFrame) -> None:
    numbers = table.select_dtypes("number").columns
    write_text_atomic(path, table.assign(**{name: np.round(table[name], 6) for name in numbers}).to_csv(index=False))


def numbers_record(profile: Profile) -> Record:
    """Where the tables are, and their provenance beside them."""
    names = ("cells", "tests", "attribution", "shifts", "unfamiliar")
    return Record(profile.results / "numbers.json", tuple(profile.results / f"{name}.csv" for name in names))


def run_numbers(profile: Profile) -> bool:
    """Compute the tables where they are missing or not of the results at hand; whether anything was done."""
    return bool(run([NumbersWork(profile)], profile.work))


def read_tests(profile: Profile) -> pd.DataFrame:
    """The recorded tests of the claims, as `claims.claim_tests` gives them. Raises RunError where there are none."""
    record = numbers_record(profile)
    if record.read() is None:
        raise RunError(f"no numbers of profile {profile.name}; run: emotrace numbers --profile {profile.name}")
    texts = {name: "" for name in ("recogniser", "over", "why", "encoder", "corpus")}
    return pd.read_csv(record.tables[1]).fillna(texts)
