"""What a unified vocoder does to emotion in the course of its training (hypothesis H1): metrics at every snapshot."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from emotrace.corpus.datadir import Emotion
from emotrace.study.groups import UNIFIED_ROWS
from emotrace.pipeline.rows import VARIANT_MARK
from emotrace.analysis.tables import differences, metric_interval, same_words
from emotrace.training.unified import SMALL

if TYPE_CHECKING:
    from emotrace.study.study import Study

HEARD = ("uar", *(emotion.value for emotion in Emotion), "recall_spread", "neu_called_ang")
"""Metrics that depend on a recogniser of emotion."""
COURSE_METRICS = (*HEARD, "wer_read", "wer_emotional", "centroid_median", "kurtosis_median")
BEFORE_DISCRIMINATORS = f"{VARIANT_MARK}step{SMALL.mel_only}"


def training_course(
    study: "Study", metrics: Iterable[str] = COURSE_METRICS, *, recogniser: str = "ser"
) -> pd.DataFrame:
    """One line per unified vocoder, step and metric: columns row, step, metric, estimate, low, high.

    Rates are in percent, the centroid in Hz. Rows of the study that are no unified vocoder's are left out. Words
    count in the utterances that are transcribed at every step.

    Raises:
        TableError: an unknown metric, or a row without results for it.
    """
    metrics, snapshots = list(metrics), _snapshots(study.rows)
    same = same_words(study, [full_name for full_name, _, _ in snapshots])
    lines = [
        {"row": row, "step": step, "metric": name}
        | metric_interval(same, full_name, name, recogniser=recogniser)._asdict()
        for full_name, row, step in snapshots
        for name in metrics
    ]
    return pd.DataFrame(lines, columns=["row", "step", "metric", "estimate", "low", "high"])


def adversarial_change(
    study: "Study", metrics: Iterable[str] = COURSE_METRICS, *, recogniser: str = "ser"
) -> pd.DataFrame:
    """What the steps with discriminators change: one line per unified vocoder and metric.

    Columns row, metric, estimate, low, high: the paired difference of the vocoder at its end and at its snapshot before
    the discriminators; rates in percentage points. Vocoders without that snapshot are left out. Words count in the
    utterances that both transcribe.

    Raises:
        TableError: an unknown metric.
    """
    pairs = [(row.name, row.name + BEFORE_DISCRIMINATORS) for row in UNIFIED_ROWS]
    pairs = [pair for pair in pairs if set(pair) <= set(study.rows)]
    parts = [
        differences(same_words(study, pair), [pair], name, recogniser=recogniser) for pair in pairs for name in metrics
    ]
    found = pd.concat(parts, ignore_index=True).rename(columns={"first": "row"}) if parts else pd.DataFrame()
    return found.reindex(columns=["row", "metric", "estimate", "low", "high"])


def _snapshots(names: Iterable[str]) -> list[tuple[str, str, int]]:
    """Name of each unified row, the vocoder's own name, and the step; vocoder by vocoder, in the order of the steps."""
    vocoders = [row.name for row in UNIFIED_ROWS]
    parts = [(name, *name.partition(f"{VARIANT_MARK}step")) for name in names]
    found = [(name, row, int(step or SMALL.steps)) for name, row, _, step in parts if row in vocoders]
    return sorted(found, key=lambda snapshot: (vocoders.index(snapshot[1]), snapshot[2]))
