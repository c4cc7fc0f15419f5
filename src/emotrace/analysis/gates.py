"""What must hold before a row may be compared with another: gates on the recordings, the controls and none-T1.

The recognisers must work on the recordings, and the way from a spectrogram to speech must cost little; else a row says
more of these than of its representation. A gate is met or missed by its estimate; the interval says how surely.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Interval, Part, bootstrap_interval, ratio
from emotrace.analysis.metrics import MetricError
from emotrace.analysis.statistics import Quantile
from emotrace.analysis.tables import TableError, metric, metric_interval, resampled

if TYPE_CHECKING:
    from emotrace.study.study import Study

F0_ERROR = "f0_error"
CONTROL_KEEPS = 0.95  # of the recordings' UAR, on the official vocoder's copies


@dataclass(frozen=True)
class Gate:
    """A metric of a row, in percent, or divided by the original's where ``relative``, and its limit.

    ``metric`` is one of `tables.metric`, or "f0_error": the median over utterances of the difference of their mean F0
    from the original's, in percent.
    """

    row: str
    metric: str
    limit: float
    at_least: bool = False
    relative: bool = True
    recogniser: str = "ser"

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


def _both(row: str, limit: float, relative: bool = True) -> tuple[Gate, Gate]:
    """UAR at least a limit, for both recognisers."""
    first, second = (Gate(row, "uar", limit, True, relative, recogniser) for recogniser in ("ser", "ser_second"))
    return first, second


def _words(row: str, limit: float) -> tuple[Gate, Gate]:
    return Gate(row, "wer_read", limit), Gate(row, "wer_emotional", limit)


GATES = (
    *(Gate("original", name, 10, relative=False) for name in ("eer_f", "eer_m")),
    *_both("original", 60, relative=False),
    *_both("official-control", CONTROL_KEEPS),
    *_words("official-control", 1.25),
    *_both("log-mel", 0.85),
    *_words("log-mel", 1.4),
    Gate("log-mel", F0_ERROR, 3, relative=False),
    Gate("none-T1", "wer_read", 1.6),
)


def gate_table(study: "Study", gates: Iterable[Gate] = GATES) -> pd.DataFrame:
    """One line per gate whose rows the study has: row, metric, recogniser ("" where none), unit, estimate, low, high,
    wanted, met, surely (whether the whole interval is on that side).

    Where too many draws have nothing to divide by, as no wrong word in the originals, numbers are NaN and met is None.

    Raises:
        TableError: a row without results for a metric.
    """
    return pd.DataFrame([_line(study, gate) for gate in gates if {gate.row, "original"} <= set(study.rows)])


def _line(study: "Study", gate: Gate) -> dict[str, object]:
    try:
        found = measured(study, gate)
    except MetricError:
        found = Interval(np.nan, np.nan, np.nan)
    met = None if np.isnan(found.estimate) else gate.met(found.estimate)
    return {
        "row": gate.row,
        "metric": gate.metric,
        "recogniser": gate.recogniser if gate.metric == "uar" else "",
        "unit": "x original" if gate.relative else "%",
        **found._asdict(),
        "wanted": f"at {'least' if gate.at_least else 'most'} {gate.limit:g}",
        "met": met,
        "surely": met is not None and gate.met(found.low) == gate.met(found.high) == met,
    }


def measured(study: "Study", gate: Gate) -> Interval:
    """What a gate is about, in its unit."""
    if gate.metric == F0_ERROR:
        return _f0_error(study, gate.row)
    if not gate.relative:
        return metric_interval(study, gate.row, gate.metric, recogniser=gate.recogniser)
    chosen = metric(gate.metric, gate.recogniser)
    own, original = (chosen.lines(study, row) for row in (gate.row, "original"))
    above, below = (Part(1.0, lines, chosen.statistic, resampled(lines)) for lines in (own, original))
    return ratio(above, below, n=study.n_bootstrap, seed=study.seed)


def _f0_error(study: "Study", row: str) -> Interval:
    chosen = metric("f0_mean_hz")
    lines = chosen.lines(study, row)
    original = chosen.lines(study, "original").set_index("utterance")["f0_mean_hz"]
    error = 100 * (lines["f0_mean_hz"] / lines["utterance"].map(original).astype(float) - 1).abs()
    lines = lines.assign(f0_error=error).dropna(subset=["f0_error"])
    if lines.empty:
        raise TableError(f"no utterance of {row} has an F0 in both versions")
    options = {"by": resampled(lines), "n": study.n_bootstrap, "seed": study.seed}
    return bootstrap_interval(lines, Quantile("f0_error"), **options)
