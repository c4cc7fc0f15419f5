"""What is measured on an audio file, by whom, and the measurements of a whole data directory.

A measurement is a pure function of the recording and of one version of it, so measurements can be taken in any order,
by any number of workers, and be interrupted at any time. T samples at 16 kHz, F features.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.corpus.files import write_text_atomic
from emotrace.evaluation import ACOUSTICS, ASR, ASV, NATURALNESS, SER
from emotrace.registry import Registry


class Measure(StrEnum):
    """What can be measured on an utterance."""

    WORDS = "words"  # transcript
    SPEAKER = "speaker"  # speaker embedding, for verification
    EMOTION = "emotion"  # what the recognisers of emotion classify
    NATURALNESS = "naturalness"  # predicted mean opinion score
    ACOUSTICS = "acoustics"  # centroid, kurtosis, loudness, F0


@dataclass(frozen=True)
class Measurement:
    """One measure, and which recogniser takes it; the acoustics are nobody's.

    ``backend`` is the recogniser's class, ``features`` are the acoustic ones by name: both may be registered by the
    main process alone.
    """

    measure: Measure
    recogniser: str = ""
    backend: type | None = field(default=None, compare=False)
    features: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.measure}-{self.recogniser}" if self.recogniser else str(self.measure)


@dataclass(frozen=True)
class Recognisers:
    """Who measures, by name: one of `ASR`, one of `ASV`, any number of `SER`; and which acoustic features are taken.

    Attributes:
        device: where networks run.
        naturalness: one of `NATURALNESS`; "" for nobody.
        attacker: the back-end of `BACKENDS` that the semi-informed attacker trains; "" for no such attacker.
        matched: whether each emotion recogniser is also trained on speech as the row renders it, see `MATCHED`.
    """

    asr: str = "whisper-tiny.en"
    asv: str = "ge2e"
    ser: tuple[str, ...] = ("functionals", "ge2e", "whisper")
    device: str = "cpu"
    acoustics: tuple[str, ...] = ACOUSTICS
    naturalness: str = "distillmos"
    attacker: str = "wccn"
    matched: bool = True

    def measurements(self, measures: Iterable[Measure] = Measure) -> tuple[Measurement, ...]:
        """What has to be measured, each once. Raises ValueError for an unknown name."""
        wanted = frozenset(measures)
        found = [self.words] * (Measure.WORDS in wanted) + [self.speaker] * (Measure.SPEAKER in wanted)
        found += [self.emotion(name) for name in self.ser] if Measure.EMOTION in wanted else []
        found += [self.natural] if self.naturalness and Measure.NATURALNESS in wanted else []
        found += [self.acoustic] if Measure.ACOUSTICS in wanted else []
        return tuple(dict.fromkeys(found))

    @property
    def words(self) -> Measurement:
        return Measurement(Measure.WORDS, self.asr, ASR.find(self.asr))

    @property
    def speaker(self) -> Measurement:
        return Measurement(Measure.SPEAKER, self.asv, ASV.find(self.asv))

    @property
    def natural(self) -> Measurement:
        return Measurement(Measure.NATURALNESS, self.naturalness, NATURALNESS.find(self.naturalness))

    @property
    def acoustic(self) -> Measurement:
        from emotrace.evaluation.acoustics import ACOUSTIC_FEATURES  # loads pyworld and pyloudnorm

        features = tuple((name, ACOUSTIC_FEATURES.find(name)) for name in self.acoustics)
        return Measurement(Measure.ACOUSTICS, features=features)

    def emotion(self, name: str) -> Measurement:
        """What recogniser ``name`` of emotion classifies: features of its own, or a speaker embedding."""
        backend = SER.find(name)
        if backend.embedding:
            return Measurement(Measure.SPEAKER, backend.embedding, ASV.find(backend.embedding))
        return Measurement(Measure.EMOTION, name, backend)


@lru_cache(maxsize=8)
def recogniser(backend: type, device: str) -> Any:
    """The recogniser of a class, made once per process. Raises CheckpointError where its weights are not there."""
    return backend.make(device)


def measure(utterance: Utterance, wanted: Measurement, audio: Path, device: str) -> Any:
    """One measurement of the audio of a version of an utterance, as JSON can write it.

    Raises:
        ValueError: the audio cannot be measured.
    """
    backend = dict(wanted.features) if wanted.backend is None else recogniser(wanted.backend, device)
    return MEASURES.find(wanted.measure)(utterance, load_audio(audio), backend)


def write_measurement(output: Path, utterance: Utterance, wanted: Measurement, audio: Path, device: str) -> None:
    """`measure` the audio file of one version of an utterance into a JSON file. Raises ValueError on NaN."""
    write_text_atomic(output, json.dumps(measure(utterance, wanted, audio, device), sort_keys=True, allow_nan=False))


def words(_: Utterance, waveform: np.ndarray, backend: Any) -> dict[str, str]:
    """The transcript of a waveform (T,): its text, and the guard that changed it."""
    return asdict(backend.transcribe(waveform))


def speaker(_: Utterance, waveform: np.ndarray, backend: Any) -> list[float]:
    """The speaker embedding (F,) of a waveform (T,)."""
    return _floats(backend.embed(waveform))


def emotion(utterance: Utterance, waveform: np.ndarray, backend: Any) -> list[float]:
    """Features (F,), or the posteriors of a recogniser that comes trained, in the order of `Emotion`."""
    if not hasattr(backend, "posteriors"):
        return _floats(backend.features(waveform))
    if utterance.fold is None:
        raise ValueError(f"utterance '{utterance.id}' has no fold, which says whose model may judge it")
    probabilities = backend.posteriors(waveform, utterance.fold)
    return [probabilities[emotion] for emotion in Emotion]


def naturalness(_: Utterance, waveform: np.ndarray, backend: Any) -> float:
    """The predicted mean opinion score of a waveform (T,)."""
    return backend.score(waveform)


def acoustics(
    utterance: Utterance, waveform: np.ndarray, features: Mapping[str, Any]
) -> dict[str, float | list[int] | None]:
    """Acoustic features of a waveform (T,). Oracle voice activity: found on the recording, used on every version."""
    from emotrace.evaluation.acoustics import acoustic_features, oracle_mask

    values = acoustic_features(waveform, oracle_mask(load_audio(utterance.path)), features)
    return {name: value if isinstance(value, list) else _number(value) for name, value in values.items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _floats(vector: Iterable[float]) -> list[float]:
    return [float(value) for value in vector]


MEASURES = Registry(
    "measure",
    {
        Measure.WORDS: words,
        Measure.SPEAKER: speaker,
        Measure.EMOTION: emotion,
        Measure.NATURALNESS: naturalness,
        Measure.ACOUSTICS: acoustics,
    },
)
"""How each measure is taken: utterance, waveform (T,) and recogniser (or features) -> what JSON can write."""


RATED = 50
"""How many utterances at most, evenly spread over the ids, have their naturalness predicted, because that is slow."""


@dataclass(frozen=True)
class Rendering:
    """A data directory as recorded, or as something renders it, and where its measurements lie.

    Attributes:
        name: "original", or the name of a row or of somebody's system.
        corpus: name of the data directory, in results and messages.
        data: the recordings; metadata are taken from here.
        audio: file by utterance id, all at 16 kHz or resampled on reading.
        folder: <folder>/<measurement>-<key>/<utterance>.json.
        keys: of each measurement, the word that stands for the code and weights that take it.
        measures: what is measured.
        transcribed: ids of the utterances whose words are recognised.
        enrolment: audio of a separate invocation, for the lazy-informed attacker; empty where ``audio`` serves.
    """

    name: str
    corpus: str
    data: DataDir
    audio: Mapping[str, Path]
    folder: Path
    keys: Mapping[Measurement, str]
    measures: frozenset[Measure]
    transcribed: frozenset[str] = frozenset()
    enrolment: Mapping[str, Path] = field(default_factory=dict)

    def file(self, taken: Measurement, utterance: str) -> Path:
        """Where a measurement of an utterance lies."""
        return self.folder / f"{taken}-{self.keys[taken]}" / f"{utterance}.json"

    def enrolment_file(self, taken: Measurement, utterance: str) -> Path:
        """Where the embedding lies that the lazy-informed attacker enrols an utterance with."""
        if not self.enrolment:
            return self.file(taken, utterance)
        return self.folder / f"enrolment-{taken}-{self.keys[taken]}" / f"{utterance}.json"

    def measured(self, taken: Measurement) -> list[str]:
        """Ids of the utterances that a measurement is taken of, sorted."""
        names = sorted(u.id for u in self.data if taken.measure is not Measure.WORDS or u.id in self.transcribed)
        if taken.measure is Measure.NATURALNESS:
            return names[:: -(-len(names) // RATED)]
        return names

    def read(self, taken: Measurement) -> dict[str, Any]:
        """Finished measurements by utterance id."""
        return {name: json.loads(self.file(taken, name).read_text()) for name in self.measured(taken)}

    def read_enrolment(self, taken: Measurement) -> dict[str, Any]:
        """Finished embeddings that the lazy-informed attacker enrols with, by utterance id."""
        return {name: json.loads(self.enrolment_file(taken, name).read_text()) for name in self.data.enrolment}
