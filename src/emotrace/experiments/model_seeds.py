"""What a second seed of an acoustic model changes: differences that are no finding about a representation."""

from typing import TYPE_CHECKING

import pandas as pd

from emotrace.study.groups import SECOND_SEED
from emotrace.pipeline.rows import VARIANT_MARK
from emotrace.analysis.tables import differences, metric_interval, same_words

if TYPE_CHECKING:
    from emotrace.study.study import Study

SPREAD = ("uar", "wer_read", "wer_emotional")


def model_spread(study: "Study") -> pd.DataFrame:
    """One line per row trained from two seeds and metric: columns row, metric, seed0, seed1, estimate, low, high.

    All in percent; the last three are the paired difference, second minus first. Words count in the utterances that
    both transcribe.

    Raises:
        TableError: a row without results for a metric.
    """
    twice = [row for row in study.rows if f"{row}{VARIANT_MARK}{SECOND_SEED}" in study.rows]
    return pd.DataFrame([line for row in twice for line in _lines(study, row)])


def _lines(study: "Study", row: str) -> list[dict[str, object]]:
    pair = (f"{row}{VARIANT_MARK}{SECOND_SEED}", row)
    same = same_words(study, pair)
    lines = []
    for name in SPREAD:
        second, first = (metric_interval(same, each, name).estimate for each in pair)
        found = differences(same, [pair], name).iloc[0]
        interval = {end: found[end] for end in ("estimate", "low", "high")}
        lines.append({"row": row, "metric": name, "seed0": first, "seed1": second} | interval)
    return lines
