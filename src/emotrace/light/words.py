"""Words by Whisper (Radford et al. 2023) with CTranslate2 alone. T samples at 16 kHz, L frames of 10 ms."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from ctranslate2 import StorageView
from ctranslate2.models import Whisper

from emotrace.light.mel import HOP
from emotrace.light.weights import obtain_weights
from emotrace.light.whisper import log_mel
from emotrace.released.whisper import SILENCE, WhisperTinyEn

LONGEST = 3000  # frames of a window
MOST_TOKENS = 448  # that Whisper writes of a window, the prompt among them
NO_SPEECH, UNLIKELY = 0.6, -1.0  # OpenAI's thresholds for silence: probability of it, mean log probability of a token


@dataclass(frozen=True)
class Segment:
    """What was recognised in a window: tokens, their text, and how well that compresses."""

    tokens: list[str]
    text: str

    @property
    def compression_ratio(self) -> float:
        """Size of the text over its size when compressed; repetitions compress well."""
        content = self.text.strip().encode()
        return len(content) / len(zlib.compress(content))


class LightWhisperTinyEn(WhisperTinyEn):
    """`WhisperTinyEn` without faster-whisper and what that installs; the same model, search and guards."""

    same_as = "emotrace.released.whisper:WhisperTinyEn"

    def __init__(self, folder: Path):
        self._model = Whisper(str(folder), "cpu", compute_type="int8", intra_threads=1)
        language = ["<|en|>", "<|transcribe|>"] if self._model.is_multilingual else []
        self._prompt = ["<|startoftranscript|>", *language, "<|notimestamps|>"]

    @classmethod
    def make(cls, device: str = "cpu") -> LightWhisperTinyEn:
        """It runs on the CPU, whatever the device. Raises CheckpointError where the weights cannot be had."""
        return cls(obtain_weights(cls.checkpoint))

    @classmethod
    def files(cls) -> tuple[Path, ...]:
        """Weights, tokens and configuration."""
        return tuple(sorted(path for path in obtain_weights(cls.checkpoint).iterdir() if path.is_file()))

    def _segments(self, speech: np.ndarray, limit: int, **options: int) -> list[Segment]:
        """What is found in every window of 30 s; those that are taken for silence are not among it."""
        mel = log_mel(np.pad(speech, (0, HOP))).T[:, : len(speech) // HOP]
        windows = (mel[:, start : start + LONGEST] for start in range(0, mel.shape[1], LONGEST))
        found = (self._recognised(window, limit, options) for window in windows)
        return [segment for segment in found if segment is not None]

    def _recognised(self, mel: np.ndarray, limit: int, options: dict[str, int]) -> Segment | None:
        """The words of a window (80, L); None for silence."""
        silence = min(SILENCE, LONGEST - mel.shape[1])
        window = np.pad(mel, ((0, 0), (0, silence)), constant_values=mel.min())
        (result,) = self._model.generate(
            StorageView.from_array(np.ascontiguousarray(window[None])),
            [self._prompt],
            beam_size=5,
            max_length=min(len(self._prompt) + limit, MOST_TOKENS),
            return_scores=True,
            return_no_speech_prob=True,
            **options,
        )
        tokens = result.sequences[0]
        likelihood = result.scores[0] * len(tokens) / (len(tokens) + 1)
        text = decoded(tokens)
        silent = result.no_speech_prob > NO_SPEECH and likelihood <= UNLIKELY
        return None if silent or not text.strip() else Segment(tokens, text)


class LightWhisperBase(LightWhisperTinyEn):
    """`WhisperBase` without faster-whisper."""

    checkpoint = "whisper_base"
    same_as = "emotrace.released.whisper:WhisperBase"


def decoded(tokens: list[str]) -> str:
    """The text of tokens of a byte-level vocabulary; tokens that stand for no text are left out."""
    known = _bytes_of_letters()
    spelled = "".join(token for token in tokens if not token.startswith("<|"))
    return bytes(known[letter] for letter in spelled).decode(errors="replace")


@cache
def _bytes_of_letters() -> dict[str, int]:
    """What byte each letter of GPT-2's vocabulary stands for: printable ones for themselves, the rest from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}
