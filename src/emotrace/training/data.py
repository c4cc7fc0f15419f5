"""Training audio: the utterances that models may learn from, in memory, and random crops of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr

from emotrace.corpus.audio import load_audio, peak_normalise, save_audio
from emotrace.corpus.datadir import DataDir, Emotion, Utterance

COPY_SPEEDS = (0.87, 1.15)


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


def change_speed(waveform: np.ndarray, speed: float) -> np.ndarray:
    """Play a waveform (T,) ``speed`` times as fast, by resampling: (T / speed,)."""
    return waveform if speed == 1.0 else soxr.resample(waveform, 16_000 * speed, 16_000).astype(np.float32)


def with_copies(data: TrainingSet, folder: Path, speeds: Sequence[float] = COPY_SPEEDS) -> TrainingSet:
    """The set and a copy of it at each of ``speeds``, as other speakers; the audio of the copies is kept in ``folder``.

    Fifteen speakers are few: a model that has heard no other voices does badly on those of the test.
    """
    utterances, waveforms = list(data.utterances), list(data.waveforms)
    for speed in speeds:
        for utterance, waveform in zip(data.utterances, data.waveforms, strict=True):
            path = folder / f"speed{speed:g}" / f"{utterance.id}.flac"
            if not path.exists():
                save_audio(path, peak_normalise(change_speed(waveform, speed)))
            names = {"id": f"{utterance.id}-speed{speed:g}", "speaker": f"{utterance.speaker}-speed{speed:g}"}
            utterances.append(replace(utterance, path=path, **names))
            waveforms.append(peak_normalise(load_audio(path)))
    return TrainingSet(tuple(utterances), tuple(waveforms))


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
