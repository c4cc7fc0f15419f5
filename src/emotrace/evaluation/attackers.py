"""Back-ends that an attacker trains on embeddings before verifying speakers. N utterances, E and D dimensions.

A semi-informed attacker has the anonymizer but not its random choices (VoicePrivacy 2022 and later, Tomashenko et al.
2024): it anonymises speech of speakers of its own, learns from that what anonymised utterances of one speaker have in
common, and enrols with anonymised speech. A back-end here is affine, so the cosine of `asv.asv_scores` serves.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar, Protocol, Self

import numpy as np
import pandas as pd
from sklearn.covariance import shrunk_covariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from emotrace.corpus.datadir import DataDir, Trial
from emotrace.evaluation.asv import AsvError, asv_scores
from emotrace.registry import Registry

# Of seven values from 0.1 to 0.98 the best for speakers that the back-end was not trained on: RAVDESS actors 01-12,
# neutral and calm, each half in turn against a back-end trained on the other half (and, for recordings, on three
# LibriSpeech readers), six draws of halves. Mean EER of recordings and of five anonymizers (pitch four semitones up or
# down, random pitch, a fixed and a random formant warp): cosine alone 17.0 %, WCCN 12.6 %, LDA 26.2 %. LDA is worse
# than the cosine alone, for six to nine speakers leave it five to eight directions.
SHRINKAGE = {"wccn": 0.7, "lda": 0.9}
Embeddings = Mapping[str, np.ndarray]  # utterance id -> (E,)


class Backend(Protocol):
    """Anything that learns from labelled embeddings in which directions speakers differ.

    Attributes:
        label: what tables and figures call it.
    """

    label: ClassVar[str]

    def fit(self, embeddings: np.ndarray, speakers: Sequence[str]) -> Self:
        """Train afresh on embeddings (N, E) of speakers (N,). Raises AsvError where nothing can be learned."""

    def transform(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings (N, E) -> (N, D), to be compared by their cosine. Raises AsvError before `fit`."""


class _AffineBackend:
    """Subtracts a mean (E,) and multiplies by a matrix (E, D)."""

    label: ClassVar[str]

    def __init__(self, *, shrinkage: float) -> None:
        self._shrinkage = shrinkage
        self._mean: np.ndarray | None = None
        self._matrix: np.ndarray | None = None

    def fit(self, embeddings: np.ndarray, speakers: Sequence[str]) -> Self:
        """Train afresh on embeddings (N, E) of speakers (N,).

        Raises AsvError on NaN, on another number of speakers than embeddings, with fewer than two speakers, and where
        no speaker has two utterances.
        """
        embeddings, speakers = np.asarray(embeddings, dtype=np.float64), np.asarray(speakers, dtype=str)
        if embeddings.ndim != 2 or len(embeddings) != len(speakers) or not np.isfinite(embeddings).all():
            raise AsvError(f"training needs finite embeddings (N, E) of N speakers, got {embeddings.shape}")
        names, counts = np.unique(speakers, return_counts=True)
        if len(names) < 2 or counts.max() < 2:
            raise AsvError(f"training needs two speakers, and two utterances of one: got {len(names)} speakers")
        self._mean = np.mean([embeddings[speakers == name].mean(axis=0) for name in names], axis=0)
        self._matrix = self._directions(embeddings, speakers)
        return self

    def transform(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings (N, E) -> (N, D). Raises AsvError before `fit`."""
        if self._matrix is None:
            raise AsvError(f"{self.label}: the back-end has not been trained")
        return (np.asarray(embeddings, dtype=np.float64) - self._mean) @ self._matrix

    def _directions(self, embeddings: np.ndarray, speakers: np.ndarray) -> np.ndarray:
        """The matrix (E, D)."""
        raise NotImplementedError


class Wccn(_AffineBackend):
    """Within-class covariance normalisation (Hatch et al. 2006).

    The matrix B has B B' = W^-1, where W is the mean of the speakers' covariances, shrunk towards a multiple of the
    identity: (1 - s) W + s tr(W) / E I. With fewer utterances than dimensions W has no inverse otherwise.
    """

    label = "WCCN + cosine"

    def __init__(self, *, shrinkage: float = SHRINKAGE["wccn"]) -> None:
        super().__init__(shrinkage=shrinkage)

    def _directions(self, embeddings: np.ndarray, speakers: np.ndarray) -> np.ndarray:
        within = within_covariance(embeddings, speakers)
        return np.linalg.cholesky(np.linalg.inv(shrunk_covariance(within, self._shrinkage)))


class Lda(_AffineBackend):
    """Linear discriminant analysis (Fisher 1936), by scikit-learn: at most one direction fewer than speakers.

    The within-class covariance is shrunk as in `Wccn`.
    """

    label = "LDA + cosine"

    def __init__(self, *, shrinkage: float = SHRINKAGE["lda"]) -> None:
        super().__init__(shrinkage=shrinkage)

    def _directions(self, embeddings: np.ndarray, speakers: np.ndarray) -> np.ndarray:
        analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage=self._shrinkage).fit(embeddings, speakers)
        return analysis.scalings_[:, : len(np.unique(speakers)) - 1]


BACKENDS = Registry("attacker's back-end", {"wccn": Wccn, "lda": Lda})
"""By name; another one is a class and a line here."""


def within_covariance(embeddings: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Mean (E, E) of the covariances of the speakers (N,) with two utterances or more, each about its own mean."""
    names, counts = np.unique(speakers, return_counts=True)
    own = [embeddings[speakers == name] for name in names[counts > 1]]
    return np.mean([np.cov(vectors, rowvar=False, bias=True) for vectors in own], axis=0)


def semi_informed_scores(
    data: DataDir,
    training_embeddings: np.ndarray,
    training_speakers: Sequence[str],
    enrolment: Embeddings,
    tests: Embeddings,
    backend: Backend,
) -> pd.DataFrame:
    """Scores of every trial of `data` by a back-end trained on anonymised speech of other speakers.

    Args:
        data: whose trials are scored.
        training_embeddings: (N, E), of anonymised utterances.
        training_speakers: (N,), none of whom is in a trial.
        enrolment: anonymised in a separate invocation, by utterance id.
        tests: anonymised, by utterance id.
        backend: trained afresh.

    Returns the columns of `asv_scores`. Raises AsvError as `asv_scores` and `Backend.fit` do, and where a training
    speaker is in the trials.
    """
    tried = {trial.speaker for trial in data.trials} | {data[trial.utterance].speaker for trial in data.trials}
    if shared := tried & set(training_speakers):
        raise AsvError(f"{data.path}: speakers {sorted(shared)} are in the trials and train the attacker")
    backend.fit(np.asarray(training_embeddings), list(training_speakers))
    return asv_scores(data, _transformed(backend, enrolment), _transformed(backend, tests))


def semi_informed_scores_by_fold(
    data: DataDir, training: Embeddings, enrolment: Embeddings, tests: Embeddings, backend: Backend
) -> pd.DataFrame:
    """The same where nobody but the speakers of `data` is there to train on.

    For every two folds a back-end is trained on `training`, the anonymised utterances by id, of all speakers in the
    others. It scores the trials between the two folds, and those within either. A trial within a fold has the mean of
    its scores: so target and non-target trials are scored by the same back-ends, and no speaker of a trial has trained
    what scores it.
    Returns the columns of `asv_scores`, in the order of the trials. Raises AsvError as `semi_informed_scores` does,
    where a speaker has no fold, and with fewer than three folds.
    """
    folds = {utterance.speaker: utterance.fold for utterance in data}
    if None in folds.values() or len(set(folds.values())) < 3:
        raise AsvError(f"{data.path}: leaving two folds out needs three or more, and one for every speaker")
    parts = []
    for held_out in combinations(sorted(set(folds.values())), 2):
        places = [n for n, trial in enumerate(data.trials) if _folds(data, folds, trial) <= set(held_out)]
        learned = [u for u in data if u.fold not in held_out and u.id in training]
        if places:
            part = DataDir(data.path, data.utterances, data.enrolment, tuple(data.trials[n] for n in places))
            vectors, speakers = np.array([training[u.id] for u in learned]), [u.speaker for u in learned]
            scores = semi_informed_scores(part, vectors, speakers, enrolment, tests, backend)
            parts.append(scores.set_axis(places))
    if not parts:
        raise AsvError(f"{data.path}: no trials to score")
    scores = pd.concat(parts)
    return scores.groupby(level=0).first().assign(score=scores["score"].groupby(level=0).mean())


def _folds(data: DataDir, folds: Mapping[str, str | None], trial: Trial) -> set[str | None]:
    """The folds of the claimed and of the speaking speaker."""
    return {folds[trial.speaker], folds[data[trial.utterance].speaker]}


def _transformed(backend: Backend, embeddings: Embeddings) -> dict[str, np.ndarray]:
    return {name: backend.transform(np.asarray(vector)[None])[0] for name, vector in embeddings.items()}
