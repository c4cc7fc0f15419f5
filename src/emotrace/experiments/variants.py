"""Rows by other vocoders of the same IR: from a second seed, and from snapshots of a training (hypothesis H1)."""

from collections.abc import Sequence

import pandas as pd

from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.contrasts import EMOTIONS, Contrast, metric_interval
from emotrace.pipeline.rows import VARIANT_MARK
from emotrace.study.groups import SECOND_SEED, SNAPSHOTS
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
    lines = []
    for row in results.rows:
        second = f"{row}{VARIANT_MARK}{SECOND_SEED}"
        for name in SEED_METRICS if second in results.rows else ():
            same = results.same_words([row, second])
            seeds = {f"seed{n}": metric_interval(same, each, name).estimate for n, each in enumerate((row, second))}
            change = Contrast.of(name, {second: 1, row: -1}).interval(same)
            lines.append({"row": row, "metric": name, **seeds, **change._asdict()})
    return pd.DataFrame(lines)


def training_course(results: Results, metrics: Sequence[str] = METRICS, recogniser: str | None = None) -> pd.DataFrame:
    """One line per unified vocoder, training step and metric: columns row, step, metric, estimate, low, high.

    Rates are in percent, the centroid in Hz. Rows that are no unified vocoder's are left out. Words count in the
    utterances that are transcribed at every step.

    Raises:
        TableError: an unknown metric, or a row without results for it.
    """
    kept = [snapshot for snapshot in SNAPSHOTS if snapshot.row.name in results.rows]
    same = results.same_words(snapshot.row.name for snapshot in kept)
    lines = [
        {"row": snapshot.of, "step": snapshot.step, "metric": name}
        | metric_interval(same, snapshot.row.name, name, recogniser)._asdict()
        for snapshot in kept
        for name in metrics
    ]
    return pd.DataFrame(lines, columns=["row", "step", "metric", *Interval._fields])


def adversarial_change(
    results: Results, metrics: Sequence[str] = METRICS, recogniser: str | None = None
) -> pd.DataFrame:
    """What the steps with discriminators change: one line per unified vocoder and metric.

    Columns row, metric, estimate, low, high: the paired difference of the vocoder at its end and at its snapshot before
    the discriminators; rates in percentage points. Vocoders without that snapshot are left out. Words count in the
    utterances that both transcribe.

    Raises:
        TableError: an unknown metric.
    """
    lines = []
    for snapshot in (snapshot for snapshot in SNAPSHOTS if snapshot.before_discriminators):
        end, before = snapshot.of, snapshot.row.name
        for name in metrics if {end, before} <= set(results.rows) else ():
            same = results.same_words([end, before])
            change = Contrast.of(name, {end: 1, before: -1}).interval(same, recogniser)
            lines.append({"row": end, "metric": name, **change._asdict()})
    return pd.DataFrame(lines, columns=["row", "metric", *Interval._fields])
