"""The study's metrics as functions of speaker weights, for `bootstrap`. R rows, S speakers, N draws, K counts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Draws
from emotrace.analysis.metrics import MetricError, eer, require_emotions
from emotrace.corpus.datadir import Emotion

_CHUNK = 2**22  # weights of trials held in memory at once


@dataclass(frozen=True)
class Mean:
    """Mean of a column."""

    column: str

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw of the speakers of a frame (R rows). Raises MetricError on NaN."""
        return _share(np.column_stack([frame[self.column].to_numpy(float), np.ones(len(frame))]), frame, draws)


@dataclass(frozen=True)
class WordErrorRate:
    """Sum of word errors over sum of reference words."""

    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw; the frame (R rows) has columns word_errors, words. MetricError on NaN."""
        return _share(frame[["word_errors", "words"]].to_numpy(float), frame, draws)


@dataclass(frozen=True)
class Recall:
    """Recall of one emotion, or with `emotion=None` the UAR: in each fold, then the mean over the folds.

    `predicted` names the column of predicted labels.
    """

    predicted: str
    emotion: Emotion | None = None
    by_fold: ClassVar[bool] = True
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw; the frame (R rows) has columns emotion and fold besides the predictions.

        A fold of which no speaker is drawn does not count, nor does an emotion that nobody drawn expresses. Raises
        MetricError on unknown emotions and missing folds.
        """
        for column in ("emotion", self.predicted):
            require_emotions(frame[column].unique())
        if frame["fold"].isna().any():
            raise MetricError("recalls per fold need a fold for every utterance")
        rates = _ratio(*np.moveaxis(self._counts(frame, draws), -1, 0))
        if self.emotion is not None:
            return _mean(rates[:, :, list(Emotion).index(self.emotion)])
        return _mean(_mean(rates))

    def _counts(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Recognised and all utterances of every draw, fold and emotion: (N, folds, 4, 2)."""
        folds, fold = np.unique(frame["fold"].to_numpy(str), return_inverse=True)
        emotion = frame["emotion"].map({label.value: place for place, label in enumerate(Emotion)}).to_numpy(int)
        hit = frame["emotion"].to_numpy(str) == frame[self.predicted].to_numpy(str)
        cells = np.zeros((len(frame), len(folds), len(Emotion), 2))
        cells[np.arange(len(frame)), fold, emotion] = np.column_stack([hit, np.ones(len(frame))])
        return _sums(cells.reshape(len(frame), -1), frame, draws).reshape(-1, *cells.shape[1:])


@dataclass(frozen=True)
class RecallSpread:
    """Standard deviation of the recalls of the emotions about their mean: 0 where all are recognised equally well."""

    predicted: str
    by_fold: ClassVar[bool] = True
    limits: ClassVar[tuple[float, float]] = (0.0, 0.5)

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        recalls = [Recall(self.predicted, emotion).weighted(frame, draws) for emotion in Emotion]
        return np.std(recalls, axis=0)


@dataclass(frozen=True)
class ShareCalled:
    """Share of the utterances of one emotion, or with `true=None` of all others, that are recognised as `called`."""

    predicted: str
    true: Emotion | None
    called: Emotion
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw; the frame (R rows) has the column emotion besides the predictions."""
        emotions = frame["emotion"].to_numpy(str)
        true = emotions != self.called.value if self.true is None else emotions == self.true.value
        called = true & (frame[self.predicted].to_numpy(str) == self.called.value)
        return _share(np.column_stack([called, true]).astype(float), frame, draws)


@dataclass(frozen=True)
class Quantile:
    """Quantile ``q`` of a column over utterances: the smallest value that a share of ``q`` does not exceed."""

    column: str
    q: float = 0.5

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw of the speakers of a frame (R rows). Raises MetricError on NaN."""
        values = frame[self.column].to_numpy(float)
        if not np.isfinite(values).all():
            raise MetricError(f"NaN or missing values of {self.column}")
        order = np.argsort(values, kind="stable")
        below = np.cumsum(draws.weights[:, draws.groups(frame[draws.by])[order]], axis=1)
        return values[order][np.argmax(below >= self.q * below[:, -1:], axis=1)]


@dataclass(frozen=True)
class FrameQuantile:
    """Quantile ``q`` over speech frames, from the utterances' histograms (K counts) between ``edges`` (K + 1,).

    Within a bin it is interpolated on a logarithmic axis.
    """

    column: str
    edges: tuple[float, ...]
    q: float = 0.5

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw of the speakers of a frame (R rows)."""
        counts = _sums(np.stack(frame[self.column].to_list()).astype(float), frame, draws)
        below = np.cumsum(counts, axis=1)
        wanted = self.q * below[:, -1:]
        place = np.argmax(below >= wanted, axis=1)[:, None]
        inside = np.take_along_axis(counts, place, 1)
        part = _ratio(wanted - np.take_along_axis(below, place, 1) + inside, inside)[:, 0]
        log_edges = np.log(self.edges)
        low, high = log_edges[place[:, 0]], log_edges[place[:, 0] + 1]
        return np.exp(low + part * (high - low))


@dataclass(frozen=True)
class Following:
    """How an output follows its input within speakers: SDs of ``column`` over ``source``, or their correlation.

    Values are centred on the mean of their speaker, so differences between speakers do not count; squares and products
    are summed over all utterances of the speakers drawn. An output that collapses has a ratio and a correlation near 0;
    one that copies its input has 1 and 1.
    """

    column: str
    source: str
    correlation: bool = False

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw of the speakers of a frame (R rows). Raises MetricError on NaN."""
        pairs = frame[[self.column, self.source]]
        made, source = (pairs - pairs.groupby(frame[draws.by]).transform("mean")).to_numpy(float).T
        squares, sources, products = _sums(np.column_stack([made**2, source**2, made * source]), frame, draws).T
        return _ratio(products, np.sqrt(squares * sources)) if self.correlation else np.sqrt(_ratio(squares, sources))


@dataclass(frozen=True)
class EqualErrorRate:
    """EER of trials as `metrics.eer`; a speaker is drawn as the claimed and as the speaking one at once.

    A trial of two different speakers weighs the product of their weights; a target trial weighs its speaker's own, for
    a speaker who is drawn twice stands for two people, who are tried against themselves and not against each other.
    """

    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def least_variance(self, frame: pd.DataFrame) -> float:
        """The variance that trials alone make, were each of P target and Q non-target trials independent.

        At the threshold of the EER e both rates are e, and the EER moves by half the error of each:
        ``e (1 - e) (1/P + 1/Q) / 4``. Where no trial was wrong e is not 0 but unknown, so half an error and half a
        success are added to the target trials (Jeffreys's prior).
        """
        target = frame["target"].to_numpy(bool)
        own, others = int(target.sum()), int((~target).sum())
        rate, _ = eer(frame["score"][target], frame["score"][~target])
        smoothed = (rate * own + 0.5) / (own + 1)
        return smoothed * (1 - smoothed) * (1 / own + 1 / others) / 4

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (N,) for every draw; the frame (R trials) has speaker, trial_speaker, target, score.

        Raises MetricError on a NaN score and where a target trial is not of the claimed speaker.
        """
        if not np.isfinite(frame["score"].to_numpy(float)).all():
            raise MetricError("NaN or infinite scores")
        if not np.array_equal(frame["target"].to_numpy(bool), frame["speaker"] == frame["trial_speaker"]):
            raise MetricError("target trials must be those whose speaker is the claimed one")
        frame = frame.sort_values("score", kind="stable")
        claimed, speaking = draws.groups(frame["speaker"]), draws.groups(frame["trial_speaker"])
        target = frame["target"].to_numpy(bool)
        last = np.append(np.diff(frame["score"].to_numpy(float)) > 0, True)
        rates = []
        for weights in np.array_split(draws.weights, -(-len(draws.weights) * len(frame) // _CHUNK)):
            nontargets = weights[:, claimed] * weights[:, speaking] * ~target
            rates.append(_weighted_eer(weights[:, claimed] * target, nontargets, last))
        return np.concatenate(rates)


def _share(columns: np.ndarray, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
    """Sum of the first of two columns (R, 2) over the sum of the second, (N,)."""
    return _ratio(*_sums(columns, frame, draws).T)


def _sums(columns: np.ndarray, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
    """Columns (R, K) summed per speaker, then over each draw: (N, K)."""
    if not np.isfinite(columns).all():
        raise MetricError("NaN or missing values in the measurements")
    speakers = np.zeros((len(draws.names), columns.shape[1]))
    np.add.at(speakers, draws.groups(frame[draws.by]), columns)
    return draws.weights @ speakers


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without the NaN; NaN where nothing is left."""
    return _ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))


def _weighted_eer(target: np.ndarray, nontarget: np.ndarray, last: np.ndarray) -> np.ndarray:
    """EER (N,) from the weights (N, R) of trials sorted by score; `last` (R,) marks the last trial of each score."""
    missed, rejected = (np.cumsum(side, axis=1)[:, last] for side in (target, nontarget))
    targets, nontargets = missed[:, -1:], rejected[:, -1:]
    accepted = nontargets - rejected
    best = np.argmin(np.abs(missed * nontargets - accepted * targets), axis=1)[:, None]
    frr = _ratio(np.take_along_axis(missed, best, 1), targets)
    far = _ratio(np.take_along_axis(accepted, best, 1), nontargets)
    return ((frr + far) / 2)[:, 0]
