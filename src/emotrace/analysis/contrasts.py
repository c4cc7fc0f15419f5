"""A contrast: a weighted sum of metrics of rows, with its interval. Everything that the study says is one.

Rates are in percent, as the paper prints them. Intervals are over speakers (`bootstrap`); a corpus with one speaker
(the read one of profile scale) has none over speakers, so there they are over utterances.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from emotrace.analysis import statistics
from emotrace.analysis.bootstrap import Interval, Part, Statistic, Variance, combination, ratio
from emotrace.corpus.datadir import Emotion
from emotrace.evaluation import ACOUSTICS
from emotrace.evaluation.spectrum import CENTROID_EDGES, KURTOSIS_EDGES
from emotrace.pipeline.results import emotion_column
from emotrace.study.results import Results

EMOTIONS = tuple(emotion.value for emotion in Emotion)
SOURCE = "in_the_recording"
STRONGEST = "semi-informed"  # of the attackers, where it was tried
COLUMNS = ("eer_f", "eer_m", "wer_read", "wer_emotional", *EMOTIONS, "uar")


class TableError(ValueError):
    """A table that the results at hand cannot fill."""


@dataclass(frozen=True)
class Metric:
    """A number of a row: the lines of the results it is computed from, and how.

    Attributes:
        lines: results and the name of a row -> lines.
        statistic: of these lines.
        factor: into the unit that is shown; 100 for rates in percent.
    """

    lines: Callable[[Results, str], pd.DataFrame]
    statistic: Statistic
    factor: float = 100.0


def metric(name: str, recogniser: str = "functionals", seed: int = 0) -> Metric:
    """A metric by its column name in table II, or the mean of an acoustic feature by its name in the results; of read
    speech, where the name ends in "_read".

    Also: eer (of both genders), eer_read, eer_emotional_f and the like; eer_strongest_f, by the strongest attacker that
    was tried; mos; recall_spread, sad_called_ang and the
    like, other_called_ang (of all emotions but angry); loudness_median, loudness_peak_matched_median; quantiles over
    frames such as centroid_p99, kurtosis_median, kurtosis_median_ang, kurtosis_median_read (of read speech). And
    sd_ratio_f0_range_st, correlation_centroid_hz and the like, of an acoustic feature: how the row follows the
    recording within speakers (`statistics.Following`).

    ``recogniser``, ``seed``: whose predictions count, for metrics of emotion. Raises TableError for an unknown name.
    """
    column = emotion_column(recogniser, seed)
    emotional = {emotion.value: statistics.Recall(column, emotion) for emotion in Emotion}
    emotional |= {"uar": statistics.Recall(column), "recall_spread": statistics.RecallSpread(column)}
    if (shares := re.fullmatch(f"(other|{'|'.join(EMOTIONS)})_called_({'|'.join(EMOTIONS)})", name)) is not None:
        true, called = shares.groups()
        emotional[name] = statistics.ShareCalled(column, None if true == "other" else Emotion(true), Emotion(called))
    if name in emotional:
        return Metric(lambda results, row: recognised(results, row, column), emotional[name])
    if (verified := re.fullmatch("eer(?:_(read|emotional))?(?:_(strongest))?(?:_([fm]))?", name)) is not None:
        return Metric(lambda results, row: _trials(results, row, *verified.groups()), statistics.EqualErrorRate())
    if name in ("wer_read", "wer_emotional"):
        return Metric(
            lambda results, row: _transcribed(results, row, name.removeprefix("wer_")), statistics.WordErrorRate()
        )
    if (quantile := re.fullmatch("(centroid|kurtosis)_(median|p[0-9]+)(?:_(...|read))?", name)) is not None:
        return _frame_quantile(*quantile.groups())
    if (follows := re.fullmatch("(sd_ratio|correlation)_(.+)", name)) is not None and _is_acoustic(follows[2]):
        following = statistics.Following(follows[2], SOURCE, correlation=follows[1] == "correlation")
        return Metric(lambda results, row: _beside_recording(results, row, follows[2]), following, factor=1.0)
    if name in ("loudness_median", "loudness_peak_matched_median"):
        loudness = name.replace("median", "lufs")
        return Metric(
            lambda results, row: results.lines(row, "emotional", loudness), statistics.Quantile(loudness), factor=1.0
        )
    if name == "mos":
        return Metric(lambda results, row: _lines_with(results, row, name), statistics.Mean(name), factor=1.0)
    if _is_acoustic(feature := name.removesuffix("_read")):
        corpus = "emotional" if feature == name else "read"
        return Metric(
            lambda results, row: _with_feature(results, row, corpus, feature), statistics.Mean(feature), factor=1.0
        )
    raise TableError(f"unknown metric {name!r}; there are {', '.join((*COLUMNS, *ACOUSTICS))}")


def acoustic_columns(results: Results) -> tuple[str, ...]:
    """The acoustic features that results have, those beside the study's included."""
    return tuple(filter(_is_acoustic, results.utterances))


def _is_acoustic(name: str) -> bool:
    """Whether a name is that of an acoustic feature, the study's or one registered beside them."""
    if name in ACOUSTICS:
        return True
    from emotrace.evaluation.acoustics import ACOUSTIC_FEATURES  # loads pyworld and pyloudnorm

    return name in ACOUSTIC_FEATURES


def _frame_quantile(feature: str, quantile: str, of: str | None) -> Metric:
    """A quantile over the speech frames of the emotional corpus, of one of its emotions, or of the read corpus."""
    edges, column = {"centroid": CENTROID_EDGES, "kurtosis": KURTOSIS_EDGES}[feature], f"{feature}_histogram"
    q = 0.5 if quantile == "median" else int(quantile[1:]) / 100

    def lines(results: Results, row: str) -> pd.DataFrame:
        if column not in results.utterances:
            raise TableError(f"the results have no column {column}: run the rows again (emotrace run)")
        own = _with_feature(results, row, "read" if of == "read" else "emotional", column)
        return own if of in (None, "read") else own[own["emotion"] == of]

    return Metric(lines, statistics.FrameQuantile(column, tuple(edges), q), factor=1.0)


@dataclass(frozen=True)
class Term:
    """``factor`` times a metric (a name that `metric` knows) of a row."""

    row: str
    metric: str
    factor: float = 1.0


def _factor(term: Term) -> str:
    return "" if abs(term.factor) == 1 else f"{abs(term.factor):.12g} "


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of metrics of rows."""

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, name: str, weights: Mapping[str, float]) -> Contrast:
        """One metric, weighted by row: ``Contrast.of("uar", {"none-T1": 1, "original": -1})``."""
        return cls(tuple(Term(row, name, float(weight)) for row, weight in weights.items()))

    @property
    def rows(self) -> frozenset[str]:
        """The rows that it needs."""
        return frozenset(term.row for term in self.terms)

    def __add__(self, other: Contrast) -> Contrast:
        return Contrast(self.terms + other.terms)

    def __str__(self) -> str:
        """In symbols: "uar(none-T1) - uar(original)"."""
        parts = [f"{'-' if term.factor < 0 else '+'} {_factor(term)}{term.metric}({term.row})" for term in self.terms]
        return " ".join(parts).removeprefix("+ ")

    def parts(self, results: Results, recogniser: str | None = None, seed: int = 0) -> list[Part]:
        """Factors, lines and statistics of the terms. Raises TableError where a row has no lines for its metric."""
        parts = []
        for term in self.terms:
            chosen = metric(term.metric, recogniser or results.recognisers[0], seed)
            lines = chosen.lines(results, term.row)
            if lines.empty:
                raise TableError(f"{results.source}, row {term.row}: no results for {term.metric}")
            parts.append(Part(term.factor * chosen.factor, lines, chosen.statistic, resampled(lines)))
        return parts

    def interval(
        self, results: Results, recogniser: str | None = None, seed: int = 0, further: Iterable[Variance] = ()
    ) -> Interval:
        """The sum with its 95 % interval, in the unit of its metrics (rates in percentage points).

        Terms with the same speakers are drawn together, so a difference of two rows is a paired one.

        ``recogniser``, ``seed``: whose predictions count; the results' first recogniser by default. ``further``:
        variances beside that over speakers, as `seeds.Seeds.variances` estimates them.

        Raises:
            TableError: an unknown metric, or a row without lines for it.
            MetricError: the sum is undefined, or in more than a tenth of the draws.
        """
        parts = self.parts(results, recogniser, seed)
        return combination(parts, further=list(further), n=results.n_bootstrap, seed=results.seed)

    def of_rows(self, names: Mapping[str, str]) -> Contrast:
        """The same sum of other rows, by name; rows that ``names`` does not have stay."""
        return Contrast(tuple(replace(term, row=names.get(term.row, term.row)) for term in self.terms))

    def __neg__(self) -> Contrast:
        return Contrast(tuple(replace(term, factor=-term.factor) for term in self.terms))

    @property
    def of_emotion(self) -> bool:
        """Whether a recogniser of emotion has a part in it."""
        return any(hasattr(metric(term.metric).statistic, "predicted") for term in self.terms)


def metric_interval(results: Results, row: str, name: str, recogniser: str | None = None, seed: int = 0) -> Interval:
    """One metric of one row, with its interval; errors as of `Contrast.interval`."""
    return Contrast.of(name, {row: 1}).interval(results, recogniser, seed)


def uar_change(results: Results, first: tuple[str, str], second: tuple[str, str]) -> Interval:
    """UAR of a row by a recogniser minus that of a row by a recogniser, (row, name) each; errors as of
    `Contrast.interval`."""
    sides = ((first, 1), (second, -1))
    parts = [part for (row, name), sign in sides for part in Contrast.of("uar", {row: sign}).parts(results, name)]
    return combination(parts, n=results.n_bootstrap, seed=results.seed)


def metric_ratio(results: Results, row: str, below: str, name: str, recogniser: str | None = None) -> Interval:
    """A metric of one row divided by that of another, drawn together; errors as of `Contrast.interval`."""
    parts = Contrast((Term(row, name), Term(below, name))).parts(results, recogniser)
    return ratio(*parts, n=results.n_bootstrap, seed=results.seed)


def interval_of(results: Results, lines: pd.DataFrame, statistic: Statistic, factor: float = 100.0) -> Interval:
    """A statistic of lines of the results, times ``factor``, with its interval; MetricError where it is undefined."""
    part = Part(factor, lines, statistic, resampled(lines))
    return combination([part], n=results.n_bootstrap, seed=results.seed)


def differences(
    results: Results, pairs: Iterable[tuple[str, str]], name: str, recogniser: str | None = None
) -> pd.DataFrame:
    """metric(first row) - metric(second row) of each pair, over the same draws of the same speakers.

    Returns columns first, second, metric, estimate, low, high; rates in percentage points.
    """
    return pd.DataFrame(
        {"first": first, "second": second, "metric": name}
        | Contrast.of(name, {first: 1, second: -1}).interval(results, recogniser)._asdict()
        for first, second in pairs
    )


def _beside_recording(results: Results, row: str, column: str) -> pd.DataFrame:
    """Lines of the emotional corpus with the recording's value of a column as SOURCE; those with both values."""
    recordings = results.lines("original", "emotional", column).set_index("utterance")[column]
    lines = results.lines(row, "emotional", column)
    return lines.assign(**{SOURCE: lines["utterance"].map(recordings)}).dropna(subset=[SOURCE])


def _with_feature(results: Results, row: str, kind: str, column: str) -> pd.DataFrame:
    """Lines with an acoustic feature: of the emotional corpus, or of the first read one on which it was measured."""
    lines = results.lines(row, kind, column)
    return results.lines(row, "read-other", column) if kind == "read" and lines.empty else lines


def resampled(lines: pd.DataFrame) -> str:
    """What is drawn for an interval: speakers, or utterances where there is a single speaker."""
    return "speaker" if lines["speaker"].nunique() > 1 else "utterance"


def attacker_shown(row: str) -> str:
    """The attacker whose EER table II shows: lazy-informed, and no attacker at all for the originals."""
    return "original" if row == "original" else "lazy-informed"


def _trials(
    results: Results, row: str, corpus: str | None = None, strongest: str | None = None, gender: str | None = None
) -> pd.DataFrame:
    """Trials by the attacker that table II shows, or by the ``strongest`` tried, of both genders where none is named;
    of read speech where there is any, unless a corpus is named."""
    trials = results.trials[results.trials["row"] == row]
    trained = strongest and (trials["attacker"] == STRONGEST).any()
    trials = trials[trials["attacker"] == (STRONGEST if trained else attacker_shown(row))]
    if gender is not None:
        trials = trials[trials["gender"] == gender]
    if corpus is None:
        corpus = "read" if (trials["corpus"] == "read").any() else "emotional"
    return trials[trials["corpus"] == corpus]


def _lines_with(results: Results, row: str, column: str) -> pd.DataFrame:
    """Lines of the emotional corpus with a value. Raises TableError where the results have no such column."""
    if column not in results.utterances:
        raise TableError(f"the results have no column {column}: run the rows again (emotrace run)")
    return results.lines(row, "emotional", column)


def recognised(results: Results, row: str, column: str) -> pd.DataFrame:
    """Lines of the emotional corpus with a predicted emotion in ``column``. Raises TableError without that column."""
    if column not in results.utterances:
        raise TableError(
            f"the results have no column {column}: their recognisers are {', '.join(results.recognisers)}; "
            "another one, or another seed, takes a run (emotrace run)"
        )
    return results.lines(row, "emotional", column)


def _transcribed(results: Results, row: str, kind: str) -> pd.DataFrame:
    """Lines with a transcript. Without a read corpus, the neutral utterances of the emotional one count as read."""
    lines = results.lines(row, kind, "word_errors")
    if kind == "emotional" or not lines.empty:
        return lines
    every = results.lines(row, None, "word_errors")
    return every[every["emotion"] == Emotion.NEUTRAL.value]
