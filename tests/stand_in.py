"""Small made-up corpora for the tests: tones with harmonics under a syllable-like envelope, no recorded speech."""

from pathlib import Path

import numpy as np
import soundfile

from emotrace.corpus.datadir import DataDir, Emotion, Trial, Utterance, write_datadir

SPEAKERS = {"s1": "f", "s2": "f", "s3": "m", "s4": "m"}


def tone(seconds: float = 0.6, *, rate: int = 16_000, f0: float = 200.0, peak: float = 0.5) -> np.ndarray:
    """Waveform (T,), float32: five harmonics of `f0` Hz swelling four times a second, then scaled to `peak`."""
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * k * f0 * time) / k for k in range(1, 6)) * (1.2 - np.cos(8 * np.pi * time))
    return (peak * wave / np.abs(wave).max()).astype(np.float32)


def make_corpus(path: Path, *, rate: int = 16_000, suffix: str = ".wav") -> DataDir:
    """Four speakers with one utterance of each emotion, two folds; "neu" is enrolment, "sad" the trials."""
    utterances = []
    for number, (speaker, gender) in enumerate(SPEAKERS.items()):
        for place, emotion in enumerate(Emotion):
            file = path / "wav" / f"{speaker}-{emotion}{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, tone(rate=rate, f0=110.0 + 30 * number + 7 * place), rate)
            fold = "1" if number % 2 else "2"
            utterances.append(Utterance(file.stem, speaker, gender, file, "ONE TWO", emotion, fold))
    trials = [Trial(s, f"{t}-sad", s == t) for s, g in SPEAKERS.items() for t, h in SPEAKERS.items() if g == h]
    return write_datadir(path, utterances, enrolment=[f"{s}-neu" for s in SPEAKERS], trials=trials)
