"""Audio made of a recording or of finished audio, without an intermediate representation. T samples at 16 kHz."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from emotrace.anonymizer import WaveformAnonymizer
from emotrace.anonymizer.draws import Selection
from emotrace.corpus.audio import load_audio, save_audio
from emotrace.corpus.datadir import Utterance
from emotrace.weights import ModelFolder

Effect = Callable[[np.ndarray], np.ndarray]  # waveform (T,) -> waveform (T,)


def write_waveform(
    output: Path, utterance: Utterance, kind: type[WaveformAnonymizer], models: ModelFolder, selection: Selection
) -> None:
    """Anonymise the recording of an utterance without an IR and write it. Raises what the anonymizer raises."""
    anonymizer = _waveform_anonymizer(kind, models, selection, models.stamp(*kind.models))
    save_audio(output, anonymizer(load_audio(utterance.path), utterance))


def write_effect(output: Path, utterance: Utterance, effect: Effect, audio: Path) -> None:
    """Change a finished audio file of an utterance and write it. Raises what the effect raises."""
    save_audio(output, effect(load_audio(audio)))


@lru_cache(maxsize=4)
def _waveform_anonymizer(
    kind: type[WaveformAnonymizer], models: ModelFolder, selection: Selection, _: tuple[int, ...]
) -> WaveformAnonymizer:
    return kind.load(models, selection)
