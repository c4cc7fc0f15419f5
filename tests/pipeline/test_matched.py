"""Matched recognisers on the isolation sets: a cue that is distorted is recovered, a cue that is gone is not.

In each set one cue alone tells the emotions apart, so what a made-up row does to that cue is known.
"""

from collections.abc import Callable, Mapping

import librosa
import numpy as np
import pytest
from scipy.signal import lfilter

from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir
from emotrace.evaluation import SEEDS
from emotrace.evaluation.ser import FunctionalsSvm, cross_validated
from emotrace.paths import ROOT

CHANCE = 0.25
Features = Mapping[str, np.ndarray]


def lower(waveform: np.ndarray) -> np.ndarray:
    return librosa.effects.pitch_shift(waveform, sr=16_000, n_steps=-5)


def slower(waveform: np.ndarray) -> np.ndarray:
    return librosa.effects.time_stretch(waveform, rate=0.7)


def darker(waveform: np.ndarray) -> np.ndarray:
    return lfilter([1.0], [1.0, -0.9], waveform).astype(np.float32)


def recognised(data: DataDir, learned: Features, tested: Features) -> float:
    """Share of the utterances whose emotion is recognised, fold by fold, mean over the training samples."""
    runs = [cross_validated(FunctionalsSvm(), data.utterances, learned, tested, seed=seed) for seed in SEEDS]
    return float(np.mean([predicted[u.id] == u.emotion for predicted in runs for u in data]))


@pytest.mark.parametrize(
    ("cue", "distort", "recovered"), [("f0", lower, 0.1), ("tempo", slower, 0.4), ("voice", darker, 0.3)]
)
def test_a_distorted_cue_is_recovered_and_one_that_is_gone_is_not(
    cue: str, distort: Callable[[np.ndarray], np.ndarray], recovered: float
):
    data, smile = DataDir.read(ROOT / "data" / "phantom" / cue), FunctionalsSvm()
    recordings = {utterance.id: load_audio(utterance.path) for utterance in data}
    neutral = {u.speaker: recordings[u.id] for u in data if u.emotion == "neu"}
    noise = np.random.default_rng(0)

    def without(speaker: str) -> np.ndarray:
        return (neutral[speaker] + noise.normal(0, 1e-3, len(neutral[speaker]))).astype(np.float32)

    original = {name: smile.features(audio) for name, audio in recordings.items()}
    distorted = {name: smile.features(distort(audio)) for name, audio in recordings.items()}
    gone = {utterance.id: smile.features(without(utterance.speaker)) for utterance in data}
    assert recognised(data, original, original) >= 0.6
    usual, matched = recognised(data, original, distorted), recognised(data, distorted, distorted)
    assert usual < CHANCE + 0.1 and matched > usual + recovered
    assert max(recognised(data, original, gone), recognised(data, gone, gone)) < CHANCE + 0.1
