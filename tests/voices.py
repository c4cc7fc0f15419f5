"""Voices that are nowhere in the repository: pulses and breath through formants, one vowel after the other."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

RATE = 16_000
VOWELS = {"a": (730, 1090, 2440), "i": (270, 2290, 3010), "u": (300, 870, 2240), "e": (530, 1840, 2480)}  # Hz
BANDWIDTHS = (80, 100, 140)
SENTENCES = {"one": "aiueaiue", "two": "uaeiuaei"}


@dataclass(frozen=True)
class Voice:
    """A speaker: gender, pitch in Hz, size of the mouth as a factor of the formants, share of breath."""

    gender: str
    f0: float
    formants: float
    breath: float


VOICES = {
    "ana": Voice("f", 190.0, 0.95, 0.02),
    "bea": Voice("f", 280.0, 1.25, 0.60),
    "cem": Voice("m", 85.0, 0.75, 0.02),
    "dan": Voice("m", 140.0, 0.98, 0.60),
}
EMOTIONS = {"sad": (0.9, 0.02, 1.3), "neu": (1.0, 0.08, 1.0), "ang": (1.12, 0.15, 0.8), "hap": (1.2, 0.3, 0.9)}


def say(voice: Voice, sentence: str, emotion: str) -> np.ndarray:
    """Waveform (T,) at 16 kHz, peak 0.5; the emotion changes level and range of the pitch, and the pace."""
    level, spread, pace = EMOTIONS[emotion]
    vowels = SENTENCES[sentence]
    size = round(0.13 * pace * RATE)
    time = np.arange(size * len(vowels)) / RATE
    pitch = voice.f0 * level * (1 + spread * np.sin(2 * np.pi * 1.7 * time / pace))
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0)
    source = pulses + voice.breath * 0.1 * np.random.default_rng(len(time)).standard_normal(len(time))
    parts = np.split(lfilter([1.0], [1.0, -0.9], source), len(vowels))
    speech = np.concatenate([_mouth(part, VOWELS[v], voice.formants) for part, v in zip(parts, vowels, strict=True)])
    return (0.5 * speech / np.abs(speech).max()).astype(np.float32)


def _mouth(source: np.ndarray, formants: tuple[int, ...], scale: float) -> np.ndarray:
    """One vowel, faded in and out: the source through a resonance at each formant."""
    for formant, bandwidth in zip(formants, BANDWIDTHS, strict=True):
        radius = np.exp(-np.pi * bandwidth / RATE)
        angle = 2 * np.pi * formant * scale / RATE
        source = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], source)
    edge = np.minimum(1, np.minimum(np.arange(len(source)), np.arange(len(source))[::-1]) / 200)
    return source * edge
