"""Emotion recognition: features of level-normalised speech and a classifier. N utterances, F features, T samples."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import opensmile
from sklearn.base import TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise
from emotrace.corpus.datadir import Emotion, Utterance
from emotrace.evaluation.asv import Ge2e

# Cross-validated on RAVDESS actors 01-12 alone, of eight linear and eight RBF ones: the best for eGeMAPS (UAR 0.61),
# within 0.01 of the best for GE2E (0.63).
COST = 0.03
# For each set of functionals, how many they are and what part of the variance they get; largest standardised value.
# Cross-validated as above, in six draws of folds that leave two or three actors out: UAR 0.69 and 0.66, against 0.59
# and 0.58 for eGeMAPS alone (RBF kernel, logistic regression, LDA: 0.57 to 0.61). In fewer draws: 0.02 and 0.00 less
# without eGeMAPS, 0.02 and 0.01 less without the bound; noisy copies of the training utterances gained nothing.
FUNCTIONALS = {opensmile.FeatureSet.ComParE_2016: (6373, 0.8), opensmile.FeatureSet.eGeMAPSv02: (88, 0.2)}
FUNCTIONALS_COST, BOUND = 2.0, 3.0
Features = Mapping[str, np.ndarray]  # utterance id -> (F,)


class SerError(ValueError):
    """Speech, labels or folds that an emotion recogniser cannot use."""


class EmotionRecogniser(Protocol):
    """Anything that learns emotions from features of single utterances.

    Attributes:
        label: what tables and figures call it.
        embedding: name of the speaker encoder whose embeddings are its features, measured once for both; "" where its
            features are its own.
    """

    label: ClassVar[str]
    embedding: ClassVar[str]

    @classmethod
    def make(cls, device: str = "cpu") -> "EmotionRecogniser":
        """A recogniser that has learned nothing yet."""

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The files of the weights behind its features; the results depend on them."""

    def features(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz -> features (F,), whatever its level."""

    def fit(self, features: np.ndarray, emotions: Sequence[Emotion]) -> None:
        """Train afresh on features (N, F) and emotions (N,)."""

    def predict(self, features: np.ndarray) -> list[Emotion]:
        """Features (N, F) -> emotions (N,)."""


@runtime_checkable
class FoldRecogniser(Protocol):
    """An emotion recogniser that comes trained, one model per fold, each on the other folds; else as above."""

    def posteriors(self, waveform: np.ndarray, fold: str) -> Mapping[Emotion, float]:
        """Probability of each emotion of a waveform (T,) at 16 kHz, by the model that has not learned from ``fold``."""


class _SvmRecogniser:
    """Standardised features, a linear support vector machine, classes of equal weight; nothing is drawn at random."""

    label: ClassVar[str]
    embedding: ClassVar[str] = ""

    @classmethod
    def make(cls, device: str = "cpu") -> "_SvmRecogniser":
        """It runs on the CPU, whatever the device."""
        return cls()

    @staticmethod
    def files() -> tuple[Path, ...]:
        """opensmile's functionals have no weights."""
        return ()

    def __init__(self, *, cost: float = COST) -> None:
        self._cost = cost
        self._classifier: Pipeline | None = None

    def fit(self, features: np.ndarray, emotions: Sequence[Emotion]) -> None:
        """Train afresh on features (N, F) and emotions (N,). Raises SerError on NaN or fewer than two emotions."""
        if not np.isfinite(features).all():
            raise SerError("NaN or infinite features")
        if len(set(emotions)) < 2:
            raise SerError(f"training needs two emotions or more, got {sorted(set(emotions))}")
        machine = SVC(C=self._cost, kernel="linear", class_weight="balanced")
        self._classifier = make_pipeline(*self._scaling(), machine)
        self._classifier.fit(features, [str(emotion) for emotion in emotions])

    def predict(self, features: np.ndarray) -> list[Emotion]:
        """Features (N, F) -> emotions (N,). Raises SerError before `fit` and on NaN."""
        if self._classifier is None:
            raise SerError("the recogniser has not been trained")
        if not np.isfinite(features).all():
            raise SerError("NaN or infinite features")
        return [Emotion(label) for label in self._classifier.predict(features)]

    def _scaling(self) -> list[TransformerMixin]:
        """What is done to the features before the machine."""
        return [StandardScaler()]


class EgemapsSvm(_SvmRecogniser):
    """SVM on the 88 functionals of eGeMAPSv02 (Eyben et al. 2016), by opensmile."""

    label = "eGeMAPS + SVM"

    def __init__(self, *, cost: float = COST) -> None:
        super().__init__(cost=cost)
        self._smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)

    def features(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz -> (88,) float32. Raises SerError when opensmile has too little signal for a value,
        AudioError on silence and NaN."""
        values = self._smile.process_signal(self._levelled(waveform), SAMPLE_RATE).to_numpy()[0]
        if not np.isfinite(values).all():
            raise SerError(f"eGeMAPS is undefined for an utterance of {len(waveform) / SAMPLE_RATE:.3f} s")
        return values

    @staticmethod
    def _levelled(waveform: np.ndarray) -> np.ndarray:
        return level_normalise(waveform)


class EgemapsAsRecordedSvm(EgemapsSvm):
    """The same with the level as recorded: only for the experiment that shows what the level does."""

    label = "eGeMAPS + SVM, level as recorded"

    @staticmethod
    def _levelled(waveform: np.ndarray) -> np.ndarray:
        return waveform


class FunctionalsSvm(_SvmRecogniser):
    """SVM on 6,461 functionals by opensmile: those of ComParE_2016 (Schuller et al. 2016), then those of eGeMAPSv02.

    The first set is the baseline of the INTERSPEECH challenges on emotion; the second is small and chosen by hand.
    """

    label = "functionals + SVM"

    def __init__(self, *, cost: float = FUNCTIONALS_COST) -> None:
        super().__init__(cost=cost)
        self._smiles = [opensmile.Smile(name, opensmile.FeatureLevel.Functionals) for name in FUNCTIONALS]

    def features(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz -> (6461,) float32; errors as of `EgemapsSvm.features`."""
        levelled = level_normalise(waveform)
        values = np.concatenate([smile.process_signal(levelled, SAMPLE_RATE).to_numpy()[0] for smile in self._smiles])
        if not np.isfinite(values).all():
            raise SerError(f"functionals are undefined for an utterance of {len(waveform) / SAMPLE_RATE:.3f} s")
        return values

    def _scaling(self) -> list[TransformerMixin]:
        return [StandardScaler(), FunctionTransformer(_bounded_and_weighted)]


def _bounded_and_weighted(standardised: np.ndarray) -> np.ndarray:
    """Standardised functionals (N, 6461) -> the same, bounded, each set with its share of a variance of about 1."""
    weights = [np.full(size, np.sqrt(share / size)) for size, share in FUNCTIONALS.values()]
    return np.clip(standardised, -BOUND, BOUND) * np.concatenate(weights)


class Ge2eSvm(_SvmRecogniser):
    """SVM on GE2E speaker embeddings, which do carry emotion: independent of hand-made features."""

    label = "GE2E + SVM"
    embedding = "ge2e"

    @cached_property
    def _encoder(self) -> Ge2e:
        return Ge2e()

    def features(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz, T >= 6400 -> (256,) float32; errors of `Ge2e.embed`."""
        return self._encoder.embed(waveform)


def cross_validated(
    recogniser: EmotionRecogniser,
    utterances: Sequence[Utterance],
    originals: Features,
    versions: Features,
    *,
    seed: int = 0,
) -> dict[str, Emotion]:
    """Emotion predicted for every utterance: trained on the ORIGINALS of all other folds, tested on `versions`.

    `versions` holds the features of one row's audio: the originals again, or anonymised ones; `seed` says what of the
    other folds is trained on, see `bootstrap_sample`. Raises SerError where an utterance lacks emotion, fold or
    features, with fewer than two folds, and where a speaker is in two folds.
    """
    folds = sorted({str(_required(utterance, "fold")) for utterance in utterances})
    if len(folds) < 2:
        raise SerError(f"cross-validation needs two folds or more, got {folds}")
    predicted: dict[str, Emotion] = {}
    for fold in folds:
        train = [utterance for utterance in utterances if utterance.fold != fold]
        test = [utterance for utterance in utterances if utterance.fold == fold]
        predicted |= trained_on(recogniser, train, originals, test, versions, seed=seed)
    return predicted


def trained_on(
    recogniser: EmotionRecogniser,
    train: Sequence[Utterance],
    originals: Features,
    test: Sequence[Utterance],
    versions: Features,
    *,
    seed: int = 0,
) -> dict[str, Emotion]:
    """Emotion of every utterance of `test` predicted from `versions`, after training on `originals` of `train`.

    `seed` says which of them, see `bootstrap_sample`. Raises SerError when a speaker is in both, and where an utterance
    lacks emotion or features.
    """
    if shared := {utterance.speaker for utterance in train} & {utterance.speaker for utterance in test}:
        raise SerError(f"speakers {sorted(shared)} are in training and in test")
    sample = bootstrap_sample(train, seed)
    recogniser.fit(_matrix(sample, originals), [_required(utterance, "emotion") for utterance in sample])
    labels = recogniser.predict(_matrix(test, versions))
    return {utterance.id: label for utterance, label in zip(test, labels, strict=True)}


def bootstrap_sample(utterances: Sequence[Utterance], seed: int) -> list[Utterance]:
    """What a recogniser of this seed is trained on: with seed 0 all utterances, once.

    A support vector machine draws nothing at random, so there is no initialisation to vary as in a network. What may
    vary is the sample that it learns from: with any other seed, of the utterances of each speaker and emotion as many
    as there are are drawn with replacement. Speakers and classes keep their weights; about a third of the utterances
    is left out. That spreads more than initialisations usually do. Independent of the order of the utterances.
    Raises SerError where one lacks its emotion.
    """
    if seed == 0:
        return list(utterances)
    cells: dict[tuple[str, str], list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda utterance: utterance.id):
        cells.setdefault((utterance.speaker, str(_required(utterance, "emotion"))), []).append(utterance)
    rng = np.random.default_rng(seed)
    return [cell[place] for _, cell in sorted(cells.items()) for place in rng.integers(len(cell), size=len(cell))]


def most_probable(utterances: Sequence[Utterance], posteriors: Features) -> dict[str, Emotion]:
    """The most probable emotion of every utterance from its posteriors (4,), in the order of `Emotion`."""
    places = _matrix(utterances, posteriors).argmax(axis=1)
    return {utterance.id: list(Emotion)[place] for utterance, place in zip(utterances, places, strict=True)}


def _matrix(utterances: Sequence[Utterance], features: Features) -> np.ndarray:
    if missing := [utterance.id for utterance in utterances if utterance.id not in features]:
        raise SerError(f"no features of {len(missing)} utterances, first '{missing[0]}'")
    return np.stack([features[utterance.id] for utterance in utterances])


def _required(utterance: Utterance, attribute: str) -> str:
    value = getattr(utterance, attribute)
    if value is None:
        raise SerError(f"utterance '{utterance.id}' has no {attribute}")
    return value
