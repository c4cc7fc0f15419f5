"""The study's tables: table II beside the paper's, recalls, confusions and differences, each cell with its interval.

Rates are in percent, as the paper prints them. Intervals are bootstrap percentile intervals over speakers; a corpus
with a single speaker (the read one of profile scale) has none over speakers, so there they are over utterances.
"""

import re
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from emotrace.corpus.datadir import Emotion
from emotrace.evaluation.acoustics import CENTROID_EDGES, KURTOSIS_EDGES
from emotrace.analysis.bootstrap import Interval, Statistic, bootstrap_interval, paired_difference
from emotrace.analysis.metrics import confusion, uar
from emotrace.evaluation.ser import SEEDS
from emotrace.analysis.statistics import (
    EqualErrorRate,
    FrameQuantile,
    Mean,
    Quantile,
    Recall,
    RecallSpread,
    ShareCalled,
    WordErrorRate,
)
from emotrace.pipeline.results import RECOGNISED, RECOGNISERS, seed_column
from emotrace.paths import ROOT

if TYPE_CHECKING:
    from emotrace.study.study import Study

COLUMNS = ("eer_f", "eer_m", "wer_read", "wer_emotional", *(emotion.value for emotion in Emotion), "uar")
REPORTED = ROOT / "data" / "paper" / "table2.csv"
ACOUSTIC_COLUMNS = (
    *("centroid_hz", "kurtosis", "kurtosis_power", "kurtosis_amplitude"),
    *("loudness_lufs", "loudness_peak_matched_lufs", "f0_mean_hz", "f0_range_st"),
)


class TableError(ValueError):
    """A table that the results at hand cannot fill."""


@dataclass(frozen=True)
class Metric:
    """A number of the table: the lines of the results it is computed from, and how."""

    lines: Callable[["Study", str], pd.DataFrame]
    statistic: Statistic
    factor: float = 100.0


def metric(name: str, recogniser: str = "ser") -> Metric:
    """A metric by its column name in table II, or the mean of an acoustic feature by its name in the results.

    Also: recall_spread, sad_called_ang (and the like), loudness_median, and quantiles over frames such as
    centroid_p99, kurtosis_median, kurtosis_median_ang. The recogniser is "ser" or "ser_second", or one of its further
    seeds, e.g. "ser_seed1".

    Raises:
        TableError: unknown name or recogniser.
    """
    if recogniser not in RECOGNISED:
        raise TableError(f"unknown recogniser {recogniser!r}; there are {', '.join(RECOGNISED)}")
    emotions = {emotion.value: Recall(recogniser, emotion) for emotion in Emotion} | {"uar": Recall(recogniser)}
    if name in emotions:
        return Metric(lambda study, row: _recognised(study, row, recogniser), emotions[name])
    if name in ("eer_f", "eer_m"):
        return Metric(lambda study, row: trials_of(study, row, name[-1]), EqualErrorRate())
    if name in ("wer_read", "wer_emotional"):
        return Metric(lambda study, row: _transcribed(study, row, name.removeprefix("wer_")), WordErrorRate())
    if name == "recall_spread":
        return Metric(lambda study, row: _recognised(study, row, recogniser), RecallSpread(recogniser))
    if (called := re.fullmatch("(...)_called_(...)", name)) is not None:
        share = ShareCalled(recogniser, *map(Emotion, called.groups()))
        return Metric(lambda study, row: _recognised(study, row, recogniser), share)
    if (found := re.fullmatch("(centroid|kurtosis)_(median|p[0-9]+)(?:_(...))?", name)) is not None:
        return _frame_quantile(*found.groups())
    if name == "loudness_median":
        return Metric(_emotional, Quantile("loudness_lufs"), factor=1.0)
    if name in ACOUSTIC_COLUMNS:
        return Metric(lambda study, row: _emotional(study, row).dropna(subset=[name]), Mean(name), factor=1.0)
    raise TableError(f"unknown metric {name!r}; there are {', '.join((*COLUMNS, *ACOUSTIC_COLUMNS))}")


def _frame_quantile(feature: str, quantile: str, emotion: str | None) -> Metric:
    """A quantile over the speech frames of the emotional corpus, or of one of its emotions."""
    edges = {"centroid": CENTROID_EDGES, "kurtosis": KURTOSIS_EDGES}[feature]
    q = 0.5 if quantile == "median" else int(quantile[1:]) / 100

    def lines(study: "Study", row: str) -> pd.DataFrame:
        if f"{feature}_histogram" not in study.utterances:
            raise TableError(f"the results have no column {feature}_histogram: run the rows again (emotrace run)")
        found = _emotional(study, row).dropna(subset=[f"{feature}_histogram"])
        return found if emotion is None else found[found["emotion"] == emotion]

    return Metric(lines, FrameQuantile(f"{feature}_histogram", tuple(edges), q), factor=1.0)


def table2(study: "Study", *, recogniser: str = "ser") -> pd.DataFrame:
    """Table II: one line per row of the study, then the paper's lines.

    Columns: row, source ("measured: <profile>" or "reported: paper"), attacker (whose EER it is), and for each of
    COLUMNS the estimate in percent, with <column>_low and <column>_high for measured lines.
    """
    measured = [
        {"row": row, "source": f"measured: {study.profile.name}", "attacker": table_attacker(row)}
        | _cells(study, row, COLUMNS, recogniser)
        for row in study.rows
    ]
    reported = pd.read_csv(REPORTED).assign(source="reported: paper")
    reported["attacker"] = [table_attacker(row) for row in reported["row"]]
    kept = ["row", "source", "attacker", *COLUMNS]
    return pd.concat([pd.DataFrame(measured), reported[kept]], ignore_index=True)


def table_attacker(row: str) -> str:
    """The attacker whose EER table II shows: lazy-informed, and no attacker at all for the originals."""
    return "original" if row == "original" else "lazy-informed"


def table2_display(table: pd.DataFrame, *, digits: int = 1) -> pd.DataFrame:
    """The same lines for reading: each cell "estimate [low, high]" in percent, or the reported number alone."""
    shown = table[["row", "source", "attacker"]].copy()
    for name in COLUMNS:
        bounds = (table.get(f"{name}{end}", pd.Series(index=table.index, dtype=float)) for end in ("_low", "_high"))
        shown[name] = [_cell(*values, digits) for values in zip(table[name], *bounds, strict=True)]
    return shown.rename(columns={name: f"{heading(name)} [%]" for name in COLUMNS})


def heading(name: str) -> str:
    """A metric's name as readers expect it, without its unit: "wer_read" is "WER read"."""
    kind, _, what = name.partition("_")
    known = {"eer": f"EER {what.upper()}", "wer": f"WER {what}", "uar": "UAR", "f0": f"F0 {what}"}
    return known.get(kind, name.replace("_", " "))


def recalls_table(study: "Study", recogniser: str = "ser") -> pd.DataFrame:
    """Recall of each emotion and UAR in percent, with intervals: columns row, sad, sad_low, sad_high, ... uar_high."""
    names = (*(emotion.value for emotion in Emotion), "uar")
    return pd.DataFrame([{"row": row} | _cells(study, row, names, recogniser) for row in study.rows])


def seed_spread(study: "Study") -> pd.DataFrame:
    """UAR in percent by the seed of a recogniser: does a finding depend on what the recogniser happened to learn from?

    Returns columns row, recogniser, seed0, seed1, seed2, min, max, sd (of a sample), one line per row and recogniser.
    A recogniser that comes trained has seed0 alone: NaN for the others and sd. Rows without predictions are left out.

    Raises:
        TableError: results of a time without seeds.
    """
    if missing := [column for column in RECOGNISED if column not in study.utterances]:
        raise TableError(f"the results have no column {missing[0]}: run the rows again (emotrace run)")
    lines = []
    for row, recogniser in product(study.rows, RECOGNISERS):
        rates = {f"seed{seed}": _uar(study, row, seed_column(recogniser, seed)) for seed in SEEDS}
        found = pd.Series(rates)
        if found.notna().any():
            spread = {"min": found.min(), "max": found.max(), "sd": found.std()}
            lines.append({"row": row, "recogniser": recogniser} | rates | spread)
    return pd.DataFrame(lines)


def _uar(study: "Study", row: str, column: str) -> float:
    """UAR in percent of one column of predictions; NaN where it is empty."""
    lines = _recognised(study, row, column)
    return float("nan") if lines.empty else 100 * uar(list(lines["emotion"]), list(lines[column]), list(lines["fold"]))


def confusion_table(study: "Study", row: str, recogniser: str = "ser") -> pd.DataFrame:
    """Counts of utterances, true emotions (lines) x predicted emotions (columns), in VoicePrivacy's order."""
    lines = _recognised(study, row, recogniser)
    return confusion(list(lines["emotion"]), list(lines[recogniser]))


def attackers_table(study: "Study") -> pd.DataFrame:
    """EER in percent of every attacker: columns row, attacker, gender, estimate, low, high, trials."""
    lines = []
    for (row, attacker, gender), trials in study.trials.groupby(["row", "attacker", "gender"], sort=False):
        interval = _interval(study, trials, EqualErrorRate(), 100.0)
        lines.append({"row": row, "attacker": attacker, "gender": gender, **interval._asdict(), "trials": len(trials)})
    return pd.DataFrame(lines)


def differences(
    study: "Study", pairs: Iterable[tuple[str, str]], metric_name: str, *, recogniser: str = "ser"
) -> pd.DataFrame:
    """metric(first row) - metric(second row) of each pair, over the same draws of the same speakers.

    Returns columns pair ("first - second"), first, second, metric, estimate, low, high; rates in percentage points.
    """
    chosen = metric(metric_name, recogniser)
    lines = []
    for first, second in pairs:
        frame, baseline = chosen.lines(study, first), chosen.lines(study, second)
        by = resampled(frame)
        found = paired_difference(frame, baseline, chosen.statistic, by=by, n=study.n_bootstrap, seed=study.seed)
        pair = {"pair": f"{first} - {second}", "first": first, "second": second, "metric": metric_name}
        lines.append(pair | _scaled(found, chosen.factor)._asdict())
    return pd.DataFrame(lines)


def metric_interval(study: "Study", row: str, name: str, *, recogniser: str = "ser") -> Interval:
    """One metric of one row, with its interval. Raises TableError when the results have no line for it."""
    chosen = metric(name, recogniser)
    lines = chosen.lines(study, row)
    if lines.empty:
        raise TableError(f"profile {study.profile.name}, row {row}: no results for {name}")
    return _interval(study, lines, chosen.statistic, chosen.factor)


def same_words(study: "Study", rows: Iterable[str]) -> "Study":
    """The study without the transcripts of utterances that not all of the rows transcribe."""
    rows = list(rows)
    transcribed = study.utterances.dropna(subset=["word_errors"])
    counts = transcribed[transcribed["row"].isin(rows)].groupby(["corpus", "utterance"])["row"].nunique()
    common = counts.index[counts == len(rows)]
    own = pd.MultiIndex.from_frame(study.utterances[["corpus", "utterance"]])
    found = copy(study)
    found.utterances = study.utterances.assign(word_errors=study.utterances["word_errors"].where(own.isin(common)))
    return found


def trials_of(study: "Study", row: str, gender: str) -> pd.DataFrame:
    """Trials of one row and gender, of the attacker that table II shows."""
    trials = study.trials
    return trials[(trials["row"] == row) & (trials["attacker"] == table_attacker(row)) & (trials["gender"] == gender)]


def _cells(study: "Study", row: str, names: Iterable[str], recogniser: str) -> dict[str, float]:
    cells = {}
    for name in names:
        interval = metric_interval(study, row, name, recogniser=recogniser)
        cells |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return cells


def _interval(study: "Study", lines: pd.DataFrame, statistic: Statistic, factor: float) -> Interval:
    found = bootstrap_interval(lines, statistic, by=resampled(lines), n=study.n_bootstrap, seed=study.seed)
    return _scaled(found, factor)


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(*(factor * value for value in interval))


def resampled(lines: pd.DataFrame) -> str:
    """What is drawn for an interval: speakers, or utterances where there is a single speaker."""
    return "speaker" if lines["speaker"].nunique() > 1 else "utterance"


def _lines(study: "Study", row: str) -> pd.DataFrame:
    return study.utterances[study.utterances["row"] == row]


def _emotional(study: "Study", row: str) -> pd.DataFrame:
    lines = _lines(study, row)
    return lines[lines["corpus"] == "emotional"]


def _recognised(study: "Study", row: str, recogniser: str) -> pd.DataFrame:
    return _emotional(study, row).dropna(subset=[recogniser])


def _transcribed(study: "Study", row: str, kind: str) -> pd.DataFrame:
    """Lines with a transcript. Without a read corpus, the neutral utterances of the emotional one count as read."""
    lines = _lines(study, row).dropna(subset=["word_errors"])
    if kind == "emotional":
        return lines[lines["corpus"] == "emotional"]
    read = lines[lines["corpus"] == "read"]
    return lines[lines["emotion"] == Emotion.NEUTRAL.value] if read.empty else read


def _cell(estimate: float, low: float, high: float, digits: int) -> str:
    if pd.isna(estimate):
        return ""
    if pd.isna(low):
        return f"{estimate:.2f}"
    return f"{estimate:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
