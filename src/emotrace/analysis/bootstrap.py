"""95 % intervals by bootstrap over speakers. R rows of a frame, S speakers, N draws.

Utterances of one speaker are not independent, so whole speakers are drawn with replacement: a draw says how often each
speaker is in it. The statistics of `statistics.py` are computed for all draws at once from these weights; any other
function of a frame is called once per draw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from emotrace.analysis.metrics import MetricError

MAX_UNDEFINED = 0.1  # share of draws that may lack what the statistic needs, e.g. every non-target trial


class Interval(NamedTuple):
    """An estimate and the bounds of its bootstrap percentile interval, in the unit of the statistic."""

    estimate: float
    low: float
    high: float


UNDEFINED = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Draws:
    """The names (S,) of the speakers, sorted, and how often each is in every draw: weights (N, S), integers.

    The first draw has every speaker once: it gives the estimate itself.
    """

    by: str
    names: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, by: str, n: int, seed: int) -> "Draws":
        """`n` draws of the values of column `by` of a frame (R rows); who only speaks in trials is drawn as well.

        Raises MetricError on an empty frame, a row without a speaker, and a single speaker.
        """
        columns = [by, "trial_speaker"] if by == "speaker" and "trial_speaker" in frame else [by]
        if frame.empty or frame[columns].isna().any(axis=None):
            raise MetricError(f"the bootstrap needs rows, and a {by} in each")
        names = np.unique(np.concatenate([frame[column].unique() for column in columns]).astype(str))
        if len(names) < 2:
            raise MetricError(f"only one {by}, '{names[0]}': there is no interval over {by}s")
        once = np.ones((1, len(names)), dtype=np.int64)
        drawn = np.random.default_rng(seed).multinomial(len(names), once[0] / len(names), size=n)
        return cls(by, names, np.vstack([once, drawn]))

    def groups(self, speakers: pd.Series) -> np.ndarray:
        """The index (R,) into `names` of each speaker (R,)."""
        codes, found = pd.factorize(speakers)
        return np.searchsorted(self.names, found.to_numpy(str))[codes]


@runtime_checkable
class SpeakerStatistic(Protocol):
    """A statistic that is computed for all draws at once."""

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw of the speakers of a frame (R rows); NaN where undefined."""


Statistic = SpeakerStatistic | Callable[[pd.DataFrame], float]


class Part(NamedTuple):
    """One term of a combination: factor times a statistic of a frame."""

    factor: float
    frame: pd.DataFrame
    statistic: Statistic
    by: str = "speaker"


def combination(parts: Sequence[Part], *, n: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """Percentile interval of a weighted sum of statistics, over ``n`` draws of the values of each part's column ``by``.

    Parts with the same speakers are drawn together, so a difference is a paired one; parts with other speakers, as of
    another corpus, are drawn independently. Draws for which the sum is undefined (a draw of one speaker has no
    non-target trial) are left out.

    Raises MetricError where the estimate or a tenth of the draws is undefined, or there is a single speaker, over whom
    no interval exists: then take another ``by``, e.g. "utterance", and say so.
    """
    return _interval(np.asarray(sum(_terms(parts, n, seed))), level)


def ratio(above: Part, below: Part, *, n: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """Interval of one part divided by another, drawn as in `combination`.

    Raises MetricError as `combination` does, and where too often nothing is to be divided by.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.divide(*_terms([above, below], n, seed))
    return _interval(np.where(np.isfinite(values), values, np.nan), level)


def _terms(parts: Sequence[Part], n: int, seed: int) -> list[np.ndarray]:
    """Each part's values (N,), factor included; the first is that of the whole frame."""
    names: list[tuple[str, ...]] = []
    terms = []
    for part in parts:
        speakers = tuple(Draws.of(part.frame, part.by, 1, seed).names)
        if speakers not in names:
            names.append(speakers)
        draws = Draws.of(part.frame, part.by, n, seed + names.index(speakers))
        terms.append(part.factor * _values(part.frame, part.statistic, draws))
    return terms


def _values(frame: pd.DataFrame, statistic: Statistic, draws: Draws) -> np.ndarray:
    """The statistic (N,) of every draw."""
    if isinstance(statistic, SpeakerStatistic):
        return statistic.weighted(frame, draws)
    rows, groups = np.arange(len(frame)), draws.groups(frame[draws.by])
    return np.array([statistic(frame.take(np.repeat(rows, weights[groups]))) for weights in draws.weights])


def _interval(values: np.ndarray, level: float) -> Interval:
    estimate, drawn = values[0], values[1:]
    defined = drawn[~np.isnan(drawn)]
    if np.isnan(estimate) or not len(drawn):
        raise MetricError("the statistic is undefined" if len(drawn) else "an interval needs at least one draw")
    if len(defined) < (1 - MAX_UNDEFINED) * len(drawn):
        raise MetricError(f"the statistic is undefined in {len(drawn) - len(defined)} of {len(drawn)} draws")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(estimate), float(low), float(high))
