"""Rows by other vocoders of the same IR: from other seeds, and from snapshots of a training (hypothesis H1)."""

from collections.abc import Sequence
from itertools import product

import pandas as pd

from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.contrasts import EMOTIONS, Contrast, TableError, metric_interval
from emotrace.pipeline.rows import VARIANT_MARK
from emotrace.study.groups import GROUPS, SEED, step_of
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
    """One line per followed row, training step and metric: columns row, step, metric, estimate, low, high.

    Rates are in percent, the centroid in Hz. Rows whose training is not followed are left out. Words count in the
    utterances that are transcribed at every step.

    Raises:
        TableError: an unknown metric, or a row without results for it.
    """
    kept = [row.name for row in GROUPS["snapshots"] if row.name in results.rows]
    same = results.same_words(kept)
    lines = [
        dict(zip(("row", "step"), step_of(row), strict=True), metric=name)
        | metric_interval(same, row, name, recogniser)._asdict()
        for row in kept
        for name in metrics
    ]
    return pd.DataFrame(lines, columns=["row", "step", "metric", *Interval._fields])
