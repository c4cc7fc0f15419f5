"""GE2E speaker embeddings (Wan et al. 2018) on numpy. T samples at 16 kHz, L frames of 10 ms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import webrtcvad
from scipy.ndimage import binary_dilation

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise
from emotrace.evaluation.asv import MINIMUM_SECONDS, AsvError
from emotrace.light.layers import Weights, linear, lstm, relu
from emotrace.light.mel import HOP, mel_power
from emotrace.light.tensors import read_state
from emotrace.light.weights import obtain_weights

BANDS, LAYERS = 40, 3
PART = 160  # frames that the network reads at a time
STEP = 77  # frames from one part to the next: 1.3 parts a second
COVERAGE = 0.75  # share of the last part that has to be speech
VAD_WINDOW = 480  # samples
SMOOTHING, LONGEST_PAUSE = 8, 6  # windows


class LightGe2e:
    """The encoder of `emotrace.evaluation.asv.Ge2e` without torch: the same weights, by matrix products."""

    same_as = "emotrace.evaluation.asv:Ge2e"

    def __init__(self, weights: Weights):
        self._weights = weights

    @classmethod
    def make(cls, device: str = "cpu") -> LightGe2e:
        """It runs on the CPU, whatever the device. Raises CheckpointError where the weights cannot be had."""
        return cls(read_state(cls.files()[0], "model_state"))

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The file of its weights."""
        return (obtain_weights("ge2e"),)

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz, T >= 6400 -> unit vector (256,), float32; errors of `Ge2e.embed`."""
        if len(waveform) < (shortest := MINIMUM_SECONDS * SAMPLE_RATE):
            raise AsvError(f"GE2E needs at least {MINIMUM_SECONDS} s, got {len(waveform) / SAMPLE_RATE:.3f} s")
        level = np.clip(level_normalise(waveform), -1, 1)
        speech = without_pauses(level)
        speech = speech if len(speech) >= shortest else level
        starts = part_starts(len(speech))
        speech = np.pad(speech, (0, max(0, (starts[-1] + PART) * HOP - len(speech))))
        mel = mel_power(speech, BANDS, "constant")
        hidden = lstm(np.stack([mel[start : start + PART] for start in starts]), self._weights, LAYERS)[:, -1]
        parts = relu(linear(hidden, self._weights, "linear"))
        lengths = np.linalg.norm(parts, axis=1, keepdims=True)
        if not lengths.all():
            raise AsvError("GE2E found no speaker information: all its outputs are zero")
        mean = (parts / lengths).mean(axis=0)
        return mean / np.linalg.norm(mean)


def without_pauses(waveform: np.ndarray) -> np.ndarray:
    """(T,) in [-1, 1] at -26 dBFS -> the same with pauses of more than 0.18 s shortened, as Resemblyzer does it.

    webrtcvad in its strictest mode on windows of 30 ms; the mean over eight of them, rounded, decides.
    """
    waveform = waveform[: len(waveform) // VAD_WINDOW * VAD_WINDOW]
    windows = np.round(waveform * 32767).astype("<i2").reshape(-1, VAD_WINDOW)
    detector = webrtcvad.Vad(3)
    speech = np.array([detector.is_speech(window.tobytes(), SAMPLE_RATE) for window in windows], dtype=float)
    around = np.pad(speech, ((SMOOTHING - 1) // 2, SMOOTHING // 2))
    spoken = np.convolve(around, np.ones(SMOOTHING), "valid") > SMOOTHING / 2
    kept = binary_dilation(spoken, np.ones(LONGEST_PAUSE + 1))
    return waveform[np.repeat(kept, VAD_WINDOW)]


def part_starts(samples: int) -> list[int]:
    """First frames of the parts of a recording; the last is left out where less than 75 % of it is there."""
    frames = -(-(samples + 1) // HOP)
    starts = list(range(0, max(1, frames - PART + STEP + 1), STEP))
    covered = (samples - starts[-1] * HOP) / (PART * HOP)
    return starts[:-1] if covered < COVERAGE and len(starts) > 1 else starts
