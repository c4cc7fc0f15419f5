"""Speaker verification. T samples at 16 kHz, E embedding dimensions."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise
from emotrace.corpus.datadir import DataDir, Trial

MINIMUM_SECONDS = 0.4


class AsvError(ValueError):
    """Speech, enrolment or trials that cannot be scored."""


class SpeakerEncoder(Protocol):
    """Anything that describes the speaker of an utterance by a vector."""

    @classmethod
    def make(cls, device: str = "cpu") -> "SpeakerEncoder":
        """The encoder with its weights. Raises CheckpointError where they are not there."""

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The files of its weights; the results depend on them."""

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz -> embedding (E,)."""


class Ge2e:
    """The GE2E speaker encoder (Wan et al. 2018) of the Resemblyzer wheel, weights included."""

    def __init__(self) -> None:
        import resemblyzer  # loads librosa and numba, some seconds

        self._preprocess = resemblyzer.preprocess_wav
        self._encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)

    @classmethod
    def make(cls, device: str = "cpu") -> "Ge2e":
        """It runs on the CPU, whatever the device."""
        return cls()

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The weights in the wheel."""
        return (Path(find_spec("resemblyzer").origin).with_name("pretrained.pt"),)

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz, T >= 6400 -> unit vector (256,), float32, independent of the level.

        Resemblyzer's own preprocessing cuts long pauses; where it leaves less than 0.4 s (it may leave nothing, and the
        encoder would then describe silence) the uncut utterance is embedded. Raises AsvError when the utterance is
        shorter than 0.4 s, AudioError on silence and NaN.
        """
        if len(waveform) < MINIMUM_SECONDS * SAMPLE_RATE:
            raise AsvError(f"GE2E needs at least {MINIMUM_SECONDS} s, got {len(waveform) / SAMPLE_RATE:.3f} s")
        level = np.clip(level_normalise(waveform), -1, 1)
        speech = self._preprocess(level)
        embedding = self._encoder.embed_utterance(speech if len(speech) >= MINIMUM_SECONDS * SAMPLE_RATE else level)
        if not np.isfinite(embedding).all():
            raise AsvError("GE2E found no speaker information: all its outputs are zero")
        return embedding


def asv_scores(data: DataDir, enrolment: Mapping[str, np.ndarray], tests: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Cosine score of every trial of `data`, a speaker's enrolment embeddings averaged first.

    `enrolment` holds the embeddings (E,) of the enrolment utterances and `tests` those of the trial utterances, by
    utterance id; for the ignorant attacker the first are of originals and the second of anonymised speech, for the
    lazy-informed one both are anonymised, in separate invocations.
    Returns columns speaker (claimed), utterance, trial_speaker (who speaks it), gender (of the claimed speaker),
    target, score in [-1, 1]. Raises AsvError when there are no trials, an embedding is missing, or is zero or NaN.
    """
    if not data.trials:
        raise AsvError(f"{data.path}: no trials to score")
    models = _speaker_models(data, enrolment)
    genders = {utterance.speaker: utterance.gender for utterance in data}
    units = {name: _unit(_embedding(tests, name, "trial"), name) for name in {t.utterance for t in data.trials}}

    def line(trial: Trial) -> dict[str, object]:
        """One trial with its score. Raises AsvError where nobody was enrolled."""
        if trial.speaker not in models:
            raise AsvError(f"{data.path}: speaker '{trial.speaker}' has trials but no enrolment utterance")
        return {
            "speaker": trial.speaker,
            "utterance": trial.utterance,
            "trial_speaker": data[trial.utterance].speaker,
            "gender": genders[trial.speaker],
            "target": trial.target,
            "score": float(models[trial.speaker] @ units[trial.utterance]),
        }

    return pd.DataFrame([line(trial) for trial in data.trials])


def _speaker_models(data: DataDir, enrolment: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Unit vectors (E,) of the enrolled speakers."""
    own: dict[str, list[np.ndarray]] = {}
    for name in data.enrolment:
        own.setdefault(data[name].speaker, []).append(_embedding(enrolment, name, "enrolment"))
    return {speaker: _unit(np.mean(vectors, axis=0), speaker) for speaker, vectors in own.items()}


def _embedding(embeddings: Mapping[str, np.ndarray], name: str, part: str) -> np.ndarray:
    if name not in embeddings:
        raise AsvError(f"no embedding of {part} utterance '{name}'")
    return np.asarray(embeddings[name], dtype=np.float64)


def _unit(vector: np.ndarray, name: str) -> np.ndarray:
    length = np.linalg.norm(vector)
    if not np.isfinite(length) or length == 0:
        raise AsvError(f"the embedding of '{name}' is zero or NaN")
    return vector / length
