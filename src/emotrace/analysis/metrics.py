"""EER, confusions, recalls, UAR. P target scores, Q non-target scores, N utterances."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from emotrace.corpus.datadir import Emotion


class MetricError(ValueError):
    """Input for which the metric is not defined."""


def eer(target: Iterable[float], nontarget: Iterable[float]) -> tuple[float, float]:
    """Equal error rate in [0, 1] and its threshold, from target scores (P,) and non-target scores (Q,).

    A trial is accepted when its score is above the threshold. EER = (FAR + FRR) / 2 at the observed score where the two
    are closest, the lowest such score on a tie; nothing is interpolated (VoicePrivacy's and SpeechBrain's definition).
    The rates are compared as integers, in O(n log n) time and linear memory.
    Raises MetricError when either is empty or holds a NaN or infinite score.
    """
    target, nontarget = _scores(target, "target"), _scores(nontarget, "non-target")
    thresholds = np.unique(np.concatenate([target, nontarget]))
    missed = np.searchsorted(target, thresholds, side="right")
    accepted = len(nontarget) - np.searchsorted(nontarget, thresholds, side="right")
    best = np.argmin(np.abs(missed * len(nontarget) - accepted * len(target)))
    rate = (missed[best] / len(target) + accepted[best] / len(nontarget)) / 2
    return float(rate), float(thresholds[best])


def confusion(true: Sequence[str], predicted: Sequence[str]) -> pd.DataFrame:
    """Counts (4, 4), true emotions as rows and predicted ones as columns, both in the order sad, neu, ang, hap.

    Raises MetricError on labels other than these, missing labels, or sequences (N,) of different or zero length.
    """
    true, predicted = _emotions(true), _emotions(predicted)
    if len(true) != len(predicted) or not true:
        raise MetricError(f"{len(true)} true and {len(predicted)} predicted emotions")
    order = list(Emotion)
    counts = np.zeros((len(order), len(order)), dtype=int)
    np.add.at(counts, ([order.index(label) for label in true], [order.index(label) for label in predicted]), 1)
    names = [emotion.value for emotion in order]
    return pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))


def recalls(true: Sequence[str], predicted: Sequence[str], folds: Sequence[str] | None = None) -> dict[Emotion, float]:
    """Recall in [0, 1] of every emotion that occurs among the true labels (N,); emotions only predicted do not count.

    With `folds` (N,) the recall is taken in each fold and averaged over the folds that have the emotion, as
    VoicePrivacy does. Raises MetricError as `confusion` does.
    """
    rates = _fold_recalls(true, predicted, folds).mean(axis=0)
    return {Emotion(name): float(rate) for name, rate in rates.dropna().items()}


def uar(true: Sequence[str], predicted: Sequence[str], folds: Sequence[str] | None = None) -> float:
    """Unweighted average recall in [0, 1]: mean over the emotions that occur, per fold, then mean over the folds.

    Raises MetricError as `confusion` does.
    """
    return float(_fold_recalls(true, predicted, folds).mean(axis=1).mean())


def _fold_recalls(true: Sequence[str], predicted: Sequence[str], folds: Sequence[str] | None) -> pd.DataFrame:
    """Recalls by fold and emotion; NaN where a fold lacks the emotion, which every mean here leaves out."""
    folds = ["all"] * len(true) if folds is None else list(folds)
    if not len(true) == len(predicted) == len(folds) or not len(true) or pd.isna(folds).any():
        raise MetricError(f"{len(true)} true and {len(predicted)} predicted emotions in {len(folds)} folds")
    labels = pd.DataFrame({"true": _emotions(true), "predicted": _emotions(predicted), "fold": folds})
    hits = labels["true"] == labels["predicted"]
    return hits.groupby([labels["fold"], labels["true"]]).mean().unstack()


def _scores(values: Iterable[float], name: str) -> np.ndarray:
    """The scores, sorted, float64; refused when the rates would not exist."""
    scores = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not scores.size:
        raise MetricError(f"the EER needs {name} scores, got none")
    if not np.isfinite(scores).all():
        raise MetricError(
            f"{(~np.isfinite(scores)).sum()} of {scores.size} {name} scores are NaN or infinite; look at the "
            "embeddings that they come from"
        )
    return scores


def require_emotions(labels: Iterable[str]) -> None:
    """Raise MetricError on labels other than the four emotions, and missing ones."""
    if unknown := {str(label) for label in set(labels) - {emotion.value for emotion in Emotion}}:
        raise MetricError(f"unknown emotions {sorted(unknown)}; known are {', '.join(Emotion)}")


def _emotions(labels: Sequence[str]) -> list[Emotion]:
    require_emotions(labels)
    return [Emotion(label) for label in labels]
