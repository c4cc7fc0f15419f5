"""Linear probes: what can be read off a representation by a linear map, on speech that the map has not seen.

N, M training and test lines (frames or utterances), C channels, D draws of the bootstrap. A probe says what is linearly
there, not what a vocoder makes of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotrace.analysis.bootstrap import Draws, Interval, Part, combination
from emotrace.analysis.statistics import Mean, Recall
from emotrace.corpus.datadir import Utterance

PENALTIES = 10.0 ** np.arange(-1, 6)
INNER_FOLDS = 4
TEXT_GROUPS = 6
Folds = tuple[tuple[frozenset[str], frozenset[str]], ...]  # ids of the training and of the test utterances


class ProbeError(ValueError):
    """Features, targets or utterances that cannot be probed."""


class Score(StrEnum):
    """What a probe is judged by: R2 of a regression; UAR of classes that count alike; accuracy over lines."""

    R2 = "R2"
    UAR = "UAR"
    ACCURACY = "accuracy"


def predict(
    score: Score, train: np.ndarray, targets: np.ndarray, groups: Sequence[str], test: np.ndarray
) -> np.ndarray:
    """Fit the probe that belongs to ``score`` and return its predictions (M,) for ``test`` (M, C).

    R2 fits `regress`, the others `classify`, for UAR with classes of equal prior; errors as theirs. ``train`` (N, C),
    ``targets`` (N,): numbers, or labels as strings. ``groups`` (N,): whose line each is, to choose the penalty.
    """
    if score is Score.R2:
        return regress(train, targets, groups, test)
    return classify(train, targets, test, balanced=score is Score.UAR)


def regress(train: np.ndarray, targets: np.ndarray, groups: Sequence[str], test: np.ndarray) -> np.ndarray:
    """Ridge regression of targets (N,) on standardised features (N, C): predictions (M,) for ``test`` (M, C).

    The penalty is the one of 0.1, 1, ..., 100,000 with the best mean R2 in four-fold cross-validation inside the
    training lines, whole groups (N,) left out: neighbouring frames of one speaker would vouch for each other. Mean and
    deviation of the features are those of the training lines. Raises ProbeError on NaN, fewer than two groups, and
    shapes that do not match.
    """
    _require(train, targets, test)
    if not np.isfinite(targets).all():
        raise ProbeError("NaN or infinite targets")
    folds = GroupKFold(min(INNER_FOLDS, _at_least_two(groups)))
    ridge = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(ridge, {"ridge__alpha": PENALTIES}, scoring="r2", cv=folds)
    return search.fit(train, targets, groups=np.asarray(groups)).predict(test)


def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, balanced: bool = False) -> np.ndarray:
    """Linear discriminant analysis: labels (M,) for ``test`` (M, C) from features (N, C) and labels (N,).

    The covariance within classes is shrunk by Ledoit and Wolf's formula (2004), which needs nothing but the training
    lines, so no parameter is chosen. ``balanced``: classes have the same prior, not that of their share. A class with a
    single training line has no covariance and is left out of the training. Raises ProbeError on NaN, fewer than two
    classes, and shapes that do not match.
    """
    _require(train, labels, test)
    names, counts = np.unique(labels, return_counts=True)
    names = names[counts > 1]
    if len(names) < 2:
        raise ProbeError(f"classification needs two classes with two training lines or more, got {list(names)}")
    kept = np.isin(labels, names)
    priors = np.full(len(names), 1 / len(names)) if balanced else None
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
    return make_pipeline(StandardScaler(), analysis).fit(train[kept], labels[kept]).predict(test)


@dataclass(frozen=True)
class Determination:
    """R2 of a column of predictions: 1 - sum of squared errors / sum of squares about the mean of the test targets."""

    predicted: str

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """Its value (D,) for every draw; the frame has the column target besides the predictions. NaN: no variance."""
        target = frame["target"].to_numpy(float)
        errors = np.square(target - frame[self.predicted].to_numpy(float))
        centred = target - target.mean()  # the draws' own means are near this one: no digits are lost
        columns = np.column_stack([np.ones(len(frame)), errors, centred, np.square(centred)])
        sums = np.zeros((len(draws.names), 4))
        np.add.at(sums, draws.groups(frame[draws.by]), columns)
        count, error, total, squares = (draws.weights @ sums).T
        variation = squares - total**2 / count
        return np.divide(variation - error, variation, out=np.full(len(count), np.nan), where=variation > 0)


def score_interval(lines: pd.DataFrame, score: Score, *, by: str, n: int, seed: int) -> Interval:
    """Score of the test lines with its 95 % interval, over ``n`` draws of the values of column ``by``.

    ``lines``: columns target, predicted, speaker, utterance, fold. UAR is the mean over folds, as everywhere in the
    study. It ends at 1, the best of every score. What it does not show: another training part would give another probe.
    Raises MetricError where there is only one value of ``by``.
    """
    hit = (lines["predicted"] == lines["target"]).astype(float)
    part = Part(1.0, lines.assign(emotion=lines["target"], hit=hit), _statistic(score), by)
    found = combination([part], n=n, seed=seed)
    return found._replace(high=min(found.high, 1.0))


def baseline(lines: pd.DataFrame, score: Score) -> float:
    """The best score that one prediction for all test lines could reach, what a probe without features cannot beat.

    R2: 0. UAR: one over the number of classes. Accuracy: the share of the most frequent label.
    """
    if score is Score.R2:
        return 0.0
    names, counts = np.unique(lines["target"].to_numpy(str), return_counts=True)
    return float(1 / len(names) if score is Score.UAR else counts.max() / counts.sum())


def _statistic(score: Score) -> Determination | Recall | Mean:
    return {Score.R2: Determination("predicted"), Score.UAR: Recall("predicted"), Score.ACCURACY: Mean("hit")}[score]


def between_speakers(train: Sequence[Utterance], test: Sequence[Utterance]) -> Folds:
    """One fold: learn from ``train``, test on ``test``. Raises ProbeError when a speaker is in both or one is empty."""
    if shared := sorted({u.speaker for u in train} & {u.speaker for u in test}):
        raise ProbeError(f"speakers {shared} are in training and in test")
    return folds_of([(train, test)])


def leave_one_fold_out(utterances: Sequence[Utterance]) -> Folds:
    """Test on each fold of speakers after learning from the others. Raises ProbeError as `between_speakers`."""
    if unknown := [u.id for u in utterances if u.fold is None]:
        raise ProbeError(f"utterance '{unknown[0]}' has no fold (spk2fold), and there is no training directory")
    folds = sorted({u.fold for u in utterances})
    pairs = [([u for u in utterances if u.fold != f], [u for u in utterances if u.fold == f]) for f in folds]
    return tuple(fold for pair in pairs for fold in between_speakers(*pair))


def leave_readers_out(utterances: Sequence[Utterance], groups: int) -> Folds:
    """Test on each of so many groups of speakers after learning from the others. Raises ProbeError for one speaker."""
    speakers = {name: place % groups for place, name in enumerate(sorted({u.speaker for u in utterances}))}
    pairs = [
        ([u for u in utterances if speakers[u.speaker] != own], [u for u in utterances if speakers[u.speaker] == own])
        for own in sorted(set(speakers.values()))
    ]
    return tuple(fold for pair in pairs for fold in between_speakers(*pair))


def leave_texts_out(utterances: Sequence[Utterance]) -> Folds:
    """Test on the utterances of each text after learning from those of other texts, by the same speakers.

    So a probe cannot know a speaker, or a phone, by the sentence. Beyond six texts they are dealt into six groups.
    Raises ProbeError without texts, or with a single one.
    """
    if unknown := [u.id for u in utterances if u.text is None]:
        raise ProbeError(f"utterance '{unknown[0]}' has no transcript, by which training and test are kept apart")
    texts = {text: place % TEXT_GROUPS for place, text in enumerate(sorted({u.text for u in utterances}))}
    if len(texts) < 2:
        raise ProbeError("all utterances say the same: no text can be left out")
    pairs = [
        ([u for u in utterances if texts[u.text] != group], [u for u in utterances if texts[u.text] == group])
        for group in sorted(set(texts.values()))
    ]
    return folds_of(pairs)


def folds_of(pairs: Sequence[tuple[Sequence[Utterance], Sequence[Utterance]]]) -> Folds:
    """The ids of training and test utterances. Raises ProbeError where one of the two is empty."""
    if not all(train and test for train, test in pairs):
        raise ProbeError("a probe needs utterances to learn from and others to be tested on")
    return tuple((frozenset(u.id for u in train), frozenset(u.id for u in test)) for train, test in pairs)


def _at_least_two(groups: Sequence[str]) -> int:
    if (count := len(set(groups))) < 2:
        raise ProbeError("the penalty is chosen between groups of training lines: it takes two or more")
    return count


def _require(train: np.ndarray, targets: np.ndarray, test: np.ndarray) -> None:
    if train.ndim != 2 or test.ndim != 2 or len(train) != len(targets) or train.shape[1] != test.shape[1]:
        raise ProbeError(f"features {train.shape}, targets {targets.shape} and test features {test.shape} do not match")
    if not len(train) or not len(test):
        raise ProbeError(f"{len(train)} lines that have the target to learn from, {len(test)} to be tested on")
    if not np.isfinite(train).all() or not np.isfinite(test).all():
        raise ProbeError("NaN or infinite features")
