"""Speech for the tests: utterances of the phantom corpus, and the real corpora where they are at hand."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

needs_real_speech = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real corpora in ../shared/data")


@cache
def phantom(name: str = "test") -> DataDir:
    """The data directory of one part of the phantom corpus."""
    return DataDir.read(ROOT / "data" / "phantom" / name)


@cache
def phantom_speech(number: int = 0, name: str = "test") -> np.ndarray:
    """Waveform (T,), float32, 16 kHz, of the number-th utterance."""
    return load_audio(phantom(name).utterances[number].path)
