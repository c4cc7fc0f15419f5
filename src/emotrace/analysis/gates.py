"""What must hold before a row may be compared with another: gates on the recordings, the controls and none-T1.

The recognisers must work on the recordings, and the way from a spectrogram to speech must cost little; else a row says
more of these than of its representation. A gate is met or missed by its estimate; the interval says how surely.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import UNDEFINED, Interval
from emotrace.analysis.contrasts import TableError, interval_of, metric_interval, metric_ratio
from emotrace.analysis.metrics import MetricError
from emotrace.analysis.statistics import Quantile
from emotrace.study.results import Results

F0_ERROR = "f0_error"
CONTROL_KEEPS = 0.95  # of the recordings' UAR, on the official vocoder's copies


@dataclass(frozen=True)
class Gate:
    """A metric of a row, in percent, or divided by the original's where ``relative``, and its limit.

    ``metric`` is one of `contrasts.metric`, or "f0_error": the median over utterances of the difference of their mean
    F0 from the original's, in percent. UAR has to reach its limit by every recogniser of the results.
    """

    row: str
    metric: str
    limit: float
    at_least: bool = False
    relative: bool = True

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


GATES = (
    Gate("original", "eer_f", 10, relative=False),
    Gate("original", "eer_m", 10, relative=False),
    Gate("original", "uar", 60, at_least=True, relative=False),
    Gate("official-control", "uar", CONTROL_KEEPS, at_least=True),
    Gate("official-control", "wer_read", 1.25),
    Gate("official-control", "wer_emotional", 1.25),
    Gate("log-mel", "uar", 0.85, at_least=True),
    Gate("log-mel", "wer_read", 1.4),
    Gate("log-mel", "wer_emotional", 1.4),
    Gate("log-mel", F0_ERROR, 3, relative=False),
    Gate("none-T1", "wer_read", 1.6),
)


def gate_table(results: Results, gates: Iterable[Gate] = GATES) -> pd.DataFrame:
    """One line per gate whose rows the study has, of UAR one per recogniser: row, metric, recogniser ("" where none),
    unit, estimate, low, high, wanted, met, surely (whether the whole interval is on that side).

    Where too many draws have nothing to divide by, as no wrong word in the originals, numbers are NaN and met is None.

    Raises:
        TableError: a row without results for a metric.
    """
    return pd.DataFrame(
        [
            _line(results, gate, recogniser)
            for gate in gates
            if {gate.row, "original"} <= set(results.rows)
            for recogniser in (results.recognisers if gate.metric == "uar" else ("",))
        ]
    )


def _line(results: Results, gate: Gate, recogniser: str) -> dict[str, object]:
    try:
        value = measured(results, gate, recogniser)
    except MetricError:
        value = UNDEFINED
    met = None if np.isnan(value.estimate) else gate.met(value.estimate)
    return {
        "row": gate.row,
        "metric": gate.metric,
        "recogniser": recogniser,
        "unit": "x original" if gate.relative else "%",
        **value._asdict(),
        "wanted": f"at {'least' if gate.at_least else 'most'} {gate.limit:g}",
        "met": met,
        "surely": met is not None and gate.met(value.low) == gate.met(value.high) == met,
    }


def measured(results: Results, gate: Gate, recogniser: str = "") -> Interval:
    """What a gate is about, in its unit; by the results' first recogniser where none is named."""
    if gate.metric == F0_ERROR:
        return _f0_error(results, gate.row)
    if not gate.relative:
        return metric_interval(results, gate.row, gate.metric, recogniser)
    return metric_ratio(results, gate.row, "original", gate.metric, recogniser)


def _f0_error(results: Results, row: str) -> Interval:
    lines = results.lines(row, "emotional").set_index("utterance", drop=False)
    original = results.lines("original", "emotional").set_index("utterance")["f0_mean_hz"]
    lines = lines.assign(f0_error=100 * (lines["f0_mean_hz"] / original - 1).abs()).dropna(subset=["f0_error"])
    if lines.empty:
        raise TableError(f"no utterance of {row} has an F0 in both versions")
    return interval_of(results, lines, Quantile("f0_error"), factor=1.0)
