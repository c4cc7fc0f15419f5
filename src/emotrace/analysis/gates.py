"""What must hold before a row may be compared with another: gates on the recordings, the controls and none-T1.

The recognisers must work on the recordings, and the way from a spectrogram to speech must cost little; else a row says
more of these than of its representation. A gate is met or missed by its estimate; the interval says how surely.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Interval, Part, combination
from emotrace.analysis.contrasts import TableError, metric, metric_interval, metric_ratio, resampled
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


def _words(row: str, limit: float) -> tuple[Gate, Gate]:
    return Gate(row, "wer_read", limit), Gate(row, "wer_emotional", limit)


GATES = (
    *(Gate("original", name, 10, relative=False) for name in ("eer_f", "eer_m")),
    Gate("original", "uar", 60, at_least=True, relative=False),
    Gate("official-control", "uar", CONTROL_KEEPS, at_least=True),
    *_words("official-control", 1.25),
    Gate("log-mel", "uar", 0.85, at_least=True),
    *_words("log-mel", 1.4),
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
        value = Interval(np.nan, np.nan, np.nan)
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
    chosen = metric("f0_mean_hz")
    lines = chosen.lines(results, row)
    original = chosen.lines(results, "original").set_index("utterance")["f0_mean_hz"]
    error = 100 * (lines["f0_mean_hz"] / lines["utterance"].map(original).astype(float) - 1).abs()
    lines = lines.assign(f0_error=error).dropna(subset=["f0_error"])
    if lines.empty:
        raise TableError(f"no utterance of {row} has an F0 in both versions")
    part = Part(1.0, lines, Quantile("f0_error"), resampled(lines))
    return combination([part], n=results.n_bootstrap, seed=results.seed)
