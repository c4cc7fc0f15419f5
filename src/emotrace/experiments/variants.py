"""Rows by other vocoders of the same IR: from other seeds, and from snapshots of a training (hypothesis H1)."""

from collections.abc import Sequence
from itertools import product

import pandas as pd

from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.contrasts import EMOTIONS, Contrast, TableError, metric_interval
from emotrace.pipeline.rows import VARIANT_MARK
from emotrace.study.groups import SEED, SNAPSHOTS
from emotrace.study.results import Results

OF_EMOTION = ("uar", *EMOTIONS, "recall_spread", "neu_called_ang")
"""Metrics that depend on a recogniser of emotion."""
METRICS = (*OF_EMOTION, "wer_read", "wer_emotional", "centroid_median", "kurtosis_median")
SEED_METRICS = ("uar", "wer_read", "wer_emotional")


def model_spread(results: Results) -> pd.DataFrame:
    """What another seed of an acoustic model changes: differences that are no finding about a representation.

    One line per row, further seed of its models and metric: columns row, seed ("seed1"), metric, seed0, other,
    estimate, low, high, all in percent; the last three are the paired difference, other minus first. Words count in
    the utterances that both transcribe. What was not measured is left out.
    """
    lines = []
    for row, other in product(results.rows, repeat=2):
        if not other.startswith(f"{row}{VARIANT_MARK}{SEED}"):
            continue
        same, seed = results.same_words([row, other]), other.removeprefix(f"{row}{VARIANT_MARK}")
        for name in SEED_METRICS:
            try:
                first, second = (metric_interval(same, each, name).estimate for each in (row, other))
                change = Contrast.of(name, {other: 1, row: -1}).interval(same)
            except TableError:
                continue
            lines.append({"row": row, "seed": seed, "metric": name, "seed0": first, "other": second} | change._asdict())
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
