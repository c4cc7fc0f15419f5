"""Rows by other vocoders of the same IR: from a second seed, and from snapshots of a training (hypothesis H1)."""

from collections.abc import Iterable

import pandas as pd

from emotrace.analysis.contrasts import EMOTIONS, differences, metric_interval
from emotrace.pipeline.rows import VARIANT_MARK
from emotrace.study.groups import SECOND_SEED, SNAPSHOTS, UNIFIED_ROWS
from emotrace.study.results import Results

OF_EMOTION = ("uar", *EMOTIONS, "recall_spread", "neu_called_ang")
"""Metrics that depend on a recogniser of emotion."""
METRICS = (*OF_EMOTION, "wer_read", "wer_emotional", "centroid_median", "kurtosis_median")
SEED_METRICS = ("uar", "wer_read", "wer_emotional")


def model_spread(results: Results) -> pd.DataFrame:
    """What a second seed of an acoustic model changes: differences that are no finding about a representation.

    One line per row trained from two seeds and metric: columns row, metric, seed0, seed1, estimate, low, high, all in
    percent; the last three are the paired difference, second minus first. Words count in the utterances that both
    transcribe.

    Raises:
        TableError: a row without results for a metric.
    """
    pairs = [(f"{row}{VARIANT_MARK}{SECOND_SEED}", row) for row in results.rows]
    return pd.DataFrame(
        [_seeds(results, pair, name) for pair in pairs if pair[0] in results.rows for name in SEED_METRICS]
    )


def _seeds(results: Results, pair: tuple[str, str], name: str) -> dict[str, object]:
    same = results.same_words(pair)
    second, first = (metric_interval(same, each, name).estimate for each in pair)
    change = differences(same, [pair], name).iloc[0]
    line = {"row": pair[1], "metric": name, "seed0": first, "seed1": second}
    return line | {end: change[end] for end in ("estimate", "low", "high")}


def training_course(results: Results, metrics: Iterable[str] = METRICS, recogniser: str | None = None) -> pd.DataFrame:
    """One line per unified vocoder, training step and metric: columns row, step, metric, estimate, low, high.

    Rates are in percent, the centroid in Hz. Rows that are no unified vocoder's are left out. Words count in the
    utterances that are transcribed at every step.

    Raises:
        TableError: an unknown metric, or a row without results for it.
    """
    kept = [snapshot for snapshot in SNAPSHOTS if snapshot.row.name in results.rows]
    same = results.same_words(snapshot.row.name for snapshot in kept)
    return pd.DataFrame(
        [
            {"row": snapshot.of, "step": snapshot.step, "metric": name}
            | metric_interval(same, snapshot.row.name, name, recogniser)._asdict()
            for snapshot in kept
            for name in list(metrics)
        ],
        columns=["row", "step", "metric", "estimate", "low", "high"],
    )


def adversarial_change(
    results: Results, metrics: Iterable[str] = METRICS, recogniser: str | None = None
) -> pd.DataFrame:
    """What the steps with discriminators change: one line per unified vocoder and metric.

    Columns row, metric, estimate, low, high: the paired difference of the vocoder at its end and at its snapshot before
    the discriminators; rates in percentage points. Vocoders without that snapshot are left out. Words count in the
    utterances that both transcribe.

    Raises:
        TableError: an unknown metric.
    """
    before = {snapshot.of: snapshot.row.name for snapshot in SNAPSHOTS if snapshot.before_discriminators}
    pairs = [(row.name, before[row.name]) for row in UNIFIED_ROWS]
    parts = [
        differences(results.same_words(pair), [pair], name, recogniser)
        for pair in pairs
        if set(pair) <= set(results.rows)
        for name in list(metrics)
    ]
    changes = pd.concat(parts, ignore_index=True).rename(columns={"first": "row"}) if parts else pd.DataFrame()
    return changes.reindex(columns=["row", "metric", "estimate", "low", "high"])
