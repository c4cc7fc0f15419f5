"""Whisper (Radford et al. 2023): speech recognition, and emotion recognition on its encoder.

The weights are Systran's conversion for CTranslate2, which faster-whisper runs. T samples at 16 kHz, F features, N
utterances.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise
from emotrace.corpus.datadir import Emotion
from emotrace.evaluation.asr import Transcript, normalise_text
from emotrace.evaluation.ser import SerError
from emotrace.released.checkpoints import CHECKPOINTS
from emotrace.released.download import obtain
from emotrace.weights import CheckpointError

if TYPE_CHECKING:
    from emotrace.released.whisper_encoder import WhisperLayers

MODEL = "model.bin"
# Frames of 10 ms. Whisper learned from windows of 30 s, filled up with silence. 10 s of silence after the speech do as
# well on training speech, in a third of the time: WER of tiny.en on 14 utterances of LibriSpeech readers and on 24 of
# RAVDESS actors 01-12 is 5.7 and 0.0 %; filled up to 30 s, 6.5 and 2.1 %; with 1 s of silence, 6.5 and 76 %.
SILENCE = 1000
TOKENS_A_SECOND = 10  # fast speech has about six words a second, of 1.3 tokens each
LOOP = 2.4  # compression ratio above which OpenAI's own decoder takes a text for a repetition
# Cross-validated on RAVDESS actors 01-12 alone, two of them left out at a time: UAR 0.62, 0.70, 0.75, 0.80, 0.78, 0.79,
# 0.77 for the hidden states 0 to 6 at this cost; 0.78 to 0.81 for costs from 0.001 to 0.1 at this state.
SER_LAYER, SER_COST = 3, 0.01


class WhisperTinyEn:
    """Whisper tiny.en by faster-whisper: weights as 8-bit integers, beam 5, no sampling; guarded against invented text.

    Whisper can invent or repeat text on short or noisy clips. So a text is cut at ten tokens for each second of
    speech, is dropped where Whisper finds no speech in it, and is decoded again without repeated triples of tokens
    where it compresses as only a repetition does.
    """

    checkpoint: ClassVar[str] = "whisper_tiny_en"

    def __init__(self, folder: Path):
        self._model = _short_windows()(str(folder), "cpu", compute_type="int8", cpu_threads=1)

    @classmethod
    def make(cls, device: str = "cpu") -> WhisperTinyEn:
        """It runs on the CPU, whatever the device. Raises CheckpointError where the weights cannot be had."""
        return cls(obtain(CHECKPOINTS.find(cls.checkpoint)))

    @classmethod
    def files(cls) -> tuple[Path, ...]:
        """Weights, tokens and configuration."""
        return tuple(sorted(path for path in obtain(CHECKPOINTS.find(cls.checkpoint)).iterdir() if path.is_file()))

    def transcribe(self, waveform: np.ndarray) -> Transcript:
        """The words of a waveform (T,) at 16 kHz, whatever its level. Raises AudioError on silence and NaN."""
        speech = level_normalise(waveform)
        limit = int(np.ceil(TOKENS_A_SECOND * len(speech) / SAMPLE_RATE)) + 5
        segments = self._segments(speech, limit)
        if not segments:
            return Transcript("", "silence")
        guard = "length" if sum(len(segment.tokens) for segment in segments) >= limit else ""
        if max(segment.compression_ratio for segment in segments) > LOOP:
            segments, guard = self._segments(speech, limit, no_repeat_ngram_size=3), "loop"
        return Transcript(normalise_text(" ".join(segment.text for segment in segments)), guard)

    def _segments(self, speech: np.ndarray, limit: int, **options: int) -> list:
        """What faster-whisper finds; segments that it takes for silence are not among them."""
        options |= {"beam_size": 5, "temperature": 0.0, "max_new_tokens": limit}
        segments, _ = self._model.transcribe(
            speech, language="en", condition_on_previous_text=False, without_timestamps=True, **options
        )
        return list(segments)


def _short_windows() -> type:
    """faster-whisper's model, with less silence after the speech of a window."""
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise CheckpointError("Whisper needs faster-whisper; install it: pip install faster-whisper") from error

    class ShortWindows(WhisperModel):
        """The same model; a window ends `SILENCE` frames after its last frame of audio."""

        def encode(self, features: np.ndarray) -> object:
            """Log-mel features (80, 3000), zeros after the audio -> the encoder's output."""
            spoken = int(np.flatnonzero(features.any(axis=0))[-1]) + 1
            window = features[:, : spoken + SILENCE].copy()
            window[:, spoken:] = features[:, :spoken].min()
            return super().encode(window)

    return ShortWindows


class WhisperBase(WhisperTinyEn):
    """Whisper base, in English: no fewer errors on the same training speech (5.8 and 0.0 %), in twice the time."""

    checkpoint: ClassVar[str] = "whisper_base"


class WhisperLogistic:
    """Logistic regression on mean and deviation over time of a hidden state of Whisper's encoder."""

    label: ClassVar[str] = "Whisper encoder + logistic regression"
    embedding: ClassVar[str] = ""

    def __init__(self, encoder: WhisperLayers, layer: int = SER_LAYER, cost: float = SER_COST):
        self._encoder, self._layer, self._cost = encoder, layer, cost
        self._classifier: Pipeline | None = None

    @classmethod
    def make(cls, device: str = "cpu") -> WhisperLogistic:
        """An encoder with its weights, a classifier without. Raises CheckpointError where they cannot be had."""
        from emotrace.released.whisper_encoder import load_layers  # loads torch

        return cls(load_layers(obtain(CHECKPOINTS.find("whisper_base")) / MODEL))

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The file that the encoder is read from."""
        return (obtain(CHECKPOINTS.find("whisper_base")) / MODEL,)

    def features(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz -> (F = 1024,) float32, whatever its level. Raises AudioError on silence and NaN."""
        import torch

        states = self._encoder(torch.from_numpy(level_normalise(waveform)), last=self._layer)[self._layer]
        return torch.cat([states.mean(0), states.std(0, correction=0)]).numpy()

    def fit(self, features: np.ndarray, emotions: Sequence[Emotion]) -> None:
        """Train afresh on features (N, F) and emotions (N,). Raises SerError on fewer than two emotions."""
        if len(set(emotions)) < 2:
            raise SerError(f"training needs two emotions or more, got {sorted(set(emotions))}")
        regression = LogisticRegression(C=self._cost, class_weight="balanced", max_iter=1000)
        self._classifier = make_pipeline(StandardScaler(), regression)
        self._classifier.fit(features, [str(emotion) for emotion in emotions])

    def predict(self, features: np.ndarray) -> list[Emotion]:
        """Features (N, F) -> emotions (N,). Raises SerError before `fit`."""
        if self._classifier is None:
            raise SerError("the recogniser has not been trained")
        return [Emotion(label) for label in self._classifier.predict(features)]
