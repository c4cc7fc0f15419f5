"""Training audio: the utterances that models may learn from, in memory, and random crops of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.corpus.datadir import DataDir, Emotion, Utterance


@dataclass(frozen=True)
class TrainingSet:
    """Utterances and their waveforms, (T,) float32 at 16 kHz, peak-normalised as SSL-SAS does."""

    utterances: tuple[Utterance, ...]
    waveforms: tuple[np.ndarray, ...]

    @property
    def seconds(self) -> float:
        return sum(len(waveform) for waveform in self.waveforms) / 16_000

    def at_least(self, samples: int) -> "TrainingSet":
        """Shorter utterances repeated until they fill ``samples``, so that crops can be cut from every one."""
        return TrainingSet(self.utterances, tuple(repeat_to(waveform, samples) for waveform in self.waveforms))


def repeat_to(waveform: np.ndarray, samples: int) -> np.ndarray:
    """A waveform (T,) as often as it takes to fill ``samples``."""
    return np.tile(waveform, -(-samples // len(waveform)))


def load_training_set(folders: Sequence[Path]) -> TrainingSet:
    """Load every utterance without emotion or with a neutral one from data directories.

    Emotional utterances are left out on purpose: the models learn from read and neutral speech only, as in the paper.
    """
    utterances = [
        utterance
        for folder in folders
        for utterance in DataDir.read(folder)
        if utterance.emotion in (None, Emotion.NEUTRAL)
    ]
    waveforms = tuple(peak_normalise(load_audio(utterance.path)) for utterance in utterances)
    return TrainingSet(tuple(utterances), waveforms)
