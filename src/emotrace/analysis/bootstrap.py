"""95 % intervals over speakers: Student's t with a bootstrap standard error. R rows of a frame, S speakers, N draws.

Utterances of one speaker are not independent, so whole speakers are drawn with replacement: a draw says how often each
speaker is in it. The statistics of `statistics.py` are computed for all draws at once from these weights; any other
function of a frame is called once per draw.

The interval is ``estimate ± t(df) * sqrt(V)``. V is the variance over draws times S / (S - 1), because the bootstrap's
plug-in variance is too small by that factor, and df = S - 1 (Hesterberg, "What teachers should know about the
bootstrap", The American Statistician 2015, sections 3.2 and 4). A mean over F folds, each with speakers of its own, has
df = S - F, as a mean over strata has. Percentile intervals lack these corrections and are too narrow for few speakers;
``benchmarks/interval_coverage.py`` compares the two. Independent variances, of other speakers or of seeds, add up; df
is then that of Welch and Satterthwaite, ``V^2 / sum(V_i^2 / df_i)`` (Satterthwaite, Biometrics 1946).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from scipy import stats

from emotrace.analysis.metrics import MetricError

MAX_UNDEFINED = 0.1  # share of draws that may lack what the statistic needs, e.g. every non-target trial


class Interval(NamedTuple):
    """An estimate and the bounds of its interval, in the unit of the statistic."""

    estimate: float
    low: float
    high: float


class Variance(NamedTuple):
    """The estimated variance of an independent source of error, in the squared unit of the statistic.

    ``df``: its degrees of freedom.
    """

    value: float
    df: float


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
        names = drawn_names(frame, by)
        return cls(by, names, _drawn(len(names), n, seed))

    def groups(self, speakers: pd.Series) -> np.ndarray:
        """The index (R,) into `names` of each speaker (R,)."""
        codes, found = pd.factorize(speakers)
        return np.searchsorted(self.names, found.to_numpy(str))[codes]


def drawn_names(frame: pd.DataFrame, by: str) -> np.ndarray:
    """The names (S,) that are drawn of column `by` of a frame, sorted. Raises as `Draws.of`."""
    columns = [by, "trial_speaker"] if by == "speaker" and "trial_speaker" in frame else [by]
    found = [frame[column].unique() for column in columns]
    if frame.empty or any(pd.isna(names).any() for names in found):
        raise MetricError(f"the bootstrap needs rows, and a {by} in each")
    names = np.unique(np.concatenate(found).astype(str))
    if len(names) < 2:
        raise MetricError(f"only one {by}, '{names[0]}': there is no interval over {by}s")
    return names


@lru_cache(maxsize=32)
def _drawn(speakers: int, n: int, seed: int) -> np.ndarray:
    """How often each of S speakers is in every draw: (N + 1, S), not to be written to; the first has each once."""
    once = np.ones((1, speakers), dtype=np.int64)
    drawn = np.random.default_rng(seed).multinomial(speakers, once[0] / speakers, size=n)
    weights = np.vstack([once, drawn])
    weights.flags.writeable = False
    return weights


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


def combination(
    parts: Sequence[Part], *, further: Sequence[Variance] = (), n: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of a weighted sum of statistics, over ``n`` draws of the values of each part's column ``by``.

    Parts with the same speakers are drawn together, so a difference is a paired one. Parts with other speakers, as of
    another corpus, are independent: each set of speakers is a variance with degrees of freedom of its own. ``further``
    variances, as of seeds, are added. Bounds end where the statistics do: no rate is below 0. Draws for which the sum
    is undefined (a draw of one speaker has no non-target trial) are left out.

    Raises MetricError where the estimate or a tenth of the draws is undefined, or there is a single speaker, over whom
    no interval exists: then take another ``by``, e.g. "utterance", and say so.
    """
    estimate, variances = measured(parts, n=n, seed=seed)
    found = t_interval(estimate, [*variances, *further], level)
    low, high = np.sum([sorted(part.factor * bound for bound in _limits(part)) for part in parts], axis=0)
    return Interval(found.estimate, max(found.low, float(low)), min(found.high, float(high)))


def measured(parts: Sequence[Part], *, n: int = 1000, seed: int = 0) -> tuple[float, list[Variance]]:
    """A weighted sum of statistics and its variance over each set of speakers; drawn and raising as `combination`.

    A single statistic that knows its least variance has no less: draws of speakers without errors do not differ.
    """
    sums: dict[tuple[str, ...], np.ndarray | float] = {}
    folds: dict[tuple[str, ...], int] = {}
    for part, (speakers, values) in zip(parts, _terms(parts, n, seed), strict=True):
        sums[speakers] = sums.get(speakers, 0.0) + values
        folds[speakers] = max(folds.get(speakers, 1), _folds(part))
    variances = [_variance(values, len(speakers), folds[speakers]) for speakers, values in sums.items()]
    if len(parts) == 1 and hasattr(parts[0].statistic, "least_variance"):
        least = parts[0].factor ** 2 * parts[0].statistic.least_variance(parts[0].frame)
        variances = [variances[0]._replace(value=max(variances[0].value, least))]
    return sum(float(values[0]) for values in sums.values()), variances


def ratio(above: Part, below: Part, *, n: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """Interval of one part divided by another, drawn as in `combination`; S is the smaller number of speakers.

    Raises MetricError as `combination` does, and where too often nothing is to be divided by.
    """
    terms = _terms([above, below], n, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.divide(*(values for _, values in terms))
    values = np.where(np.isfinite(values), values, np.nan)
    speakers, folds = min(len(speakers) for speakers, _ in terms), max(map(_folds, (above, below)))
    return t_interval(float(values[0]), [_variance(values, speakers, folds)], level)


def t_interval(estimate: float, variances: Sequence[Variance], level: float = 0.95) -> Interval:
    """Interval of an estimate whose error is a sum of independent ones, by Welch and Satterthwaite."""
    total, df = total_variance(variances)
    half = float(stats.t.ppf((1 + level) / 2, df) * np.sqrt(total))
    return Interval(estimate, estimate - half, estimate + half)


def p_value(distance: float, variances: Sequence[Variance]) -> float:
    """Two-sided p of an estimate at this distance from a bound: 1 - level of the interval that just reaches it."""
    total, df = total_variance(variances)
    if total == 0:
        return float(distance == 0)
    return float(2 * stats.t.sf(abs(distance) / np.sqrt(total), df))


def total_variance(variances: Sequence[Variance]) -> Variance:
    """The sum of independent variances, with the degrees of freedom of Welch and Satterthwaite."""
    total = sum(variance.value for variance in variances)
    squares = sum(variance.value**2 / variance.df for variance in variances)
    return Variance(total, total**2 / squares if squares else np.inf)


def _terms(parts: Sequence[Part], n: int, seed: int) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Each part's speakers (S,) and values (N + 1,), factor included; the first value is that of the whole frame."""
    names: list[tuple[str, ...]] = []
    terms = []
    for part in parts:
        own = drawn_names(part.frame, part.by)
        if (speakers := tuple(own)) not in names:
            names.append(speakers)
        draws = Draws(part.by, own, _drawn(len(own), n, seed + names.index(speakers)))
        terms.append((speakers, part.factor * _values(part.frame, part.statistic, draws)))
    return terms


def _values(frame: pd.DataFrame, statistic: Statistic, draws: Draws) -> np.ndarray:
    """The statistic (N + 1,) of the whole frame and of every draw."""
    if isinstance(statistic, SpeakerStatistic):
        return statistic.weighted(frame, draws)
    rows, groups = np.arange(len(frame)), draws.groups(frame[draws.by])
    return np.array([statistic(frame.take(np.repeat(rows, weights[groups]))) for weights in draws.weights])


def _folds(part: Part) -> int:
    """How many folds a statistic is averaged over; 1 where it knows of none."""
    return part.frame["fold"].nunique() if getattr(part.statistic, "by_fold", False) else 1


def _variance(values: np.ndarray, speakers: int, folds: int) -> Variance:
    """The variance over speakers from the values (N + 1,) of the whole frame and of draws of S speakers."""
    drawn = values[1:]
    defined = drawn[~np.isnan(drawn)]
    if np.isnan(values[0]) or len(drawn) < 2:
        raise MetricError("the statistic is undefined" if len(drawn) > 1 else "an interval needs at least two draws")
    if len(defined) < (1 - MAX_UNDEFINED) * len(drawn):
        raise MetricError(f"the statistic is undefined in {len(drawn) - len(defined)} of {len(drawn)} draws")
    return Variance(float(np.var(defined)) * speakers / (speakers - 1), max(1, speakers - folds))


def _limits(part: Part) -> tuple[float, float]:
    """The least and the greatest value that a statistic can have."""
    return getattr(part.statistic, "limits", (-np.inf, np.inf))
