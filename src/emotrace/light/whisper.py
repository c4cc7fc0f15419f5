"""Emotion recognition on Whisper's encoder (Radford et al. 2023), on numpy. T samples at 16 kHz, L frames of 20 ms."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from emotrace.corpus.audio import level_normalise
from emotrace.light.layers import Weights, attention, convolve, gelu, layer_norm, linear
from emotrace.light.mel import mel_power
from emotrace.light.weights import obtain_weights
from emotrace.released.ctranslate2 import read_ctranslate2
from emotrace.released.whisper import MODEL, WhisperLogistic

BANDS = 80
RANGE = 8.0  # decades below the largest value at which Whisper's spectrogram ends
NAMES = {"gamma": "weight", "beta": "bias"}  # of CTranslate2's norms, in torch's words


class LightWhisperLogistic(WhisperLogistic):
    """`WhisperLogistic` without torch: the same weights, by matrix products."""

    same_as = "emotrace.released.whisper:WhisperLogistic"

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The file that the encoder is read from."""
        return (obtain_weights("whisper_base") / MODEL,)

    @classmethod
    def make(cls, device: str = "cpu") -> LightWhisperLogistic:
        """An encoder with its weights, a classifier without. Raises CheckpointError where they cannot be had."""
        return cls(load_encoder(cls.files()[0]))

    def features(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz -> (F = 1024,) float32, whatever its level. Raises AudioError on silence and NaN."""
        state = self._encoder(level_normalise(waveform), self._layer)
        return np.concatenate([state.mean(axis=0), state.std(axis=0)])


class LightWhisperEncoder:
    """Whisper's encoder for an utterance of any length: no padding to 30 s, the first positions only."""

    def __init__(self, weights: Weights, heads: int):
        self._weights, self._heads = weights, heads

    def __call__(self, waveform: np.ndarray, layer: int) -> np.ndarray:
        """Waveform (T,) -> hidden state (L, C): the output of a layer before the last, or 0, the input of the first."""
        w, hidden = self._weights, log_mel(waveform).T[None, :, None]
        for name, stride in (("conv1", 1), ("conv2", 2)):
            hidden = np.pad(hidden, ((0, 0), (0, 0), (0, 0), (1, 1)))
            kernel = w[f"{name}.weight"][:, :, None]
            hidden = gelu(convolve(hidden, kernel, w[f"{name}.bias"], (1, stride)))
        hidden = hidden[:, :, 0].swapaxes(1, 2)
        hidden = hidden + w["position_encodings.encodings"][: hidden.shape[1]]
        for place in (f"layer_{number}" for number in range(layer)):
            normed = layer_norm(hidden, w, f"{place}.self_attention.layer_norm")
            parts = np.split(linear(normed, w, f"{place}.self_attention.linear_0"), 3, axis=-1)
            hidden = hidden + linear(attention(*parts, self._heads), w, f"{place}.self_attention.linear_1")
            wide = gelu(linear(layer_norm(hidden, w, f"{place}.ffn.layer_norm"), w, f"{place}.ffn.linear_0"))
            hidden = hidden + linear(wide, w, f"{place}.ffn.linear_1")
        return hidden[0]


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """(T,) -> (L, M = 80), L = T // 160: Whisper's spectrogram, eight decades below its largest value, scaled."""
    decades = np.log10(np.maximum(mel_power(waveform, BANDS, "reflect")[:-1], 1e-10))
    return ((np.maximum(decades, decades.max() - RANGE) + 4) / 4).astype(np.float32)


@lru_cache(maxsize=1)
def load_encoder(path: Path) -> LightWhisperEncoder:
    """The encoder in a CTranslate2 file, float32. Raises CheckpointError for another file."""
    read = {name: array for name, array in read_ctranslate2(path) if name.startswith("encoder/")}
    heads = int(read["encoder/num_heads"])
    weights = {}
    for name, array in read.items():
        *place, kind = name.removeprefix("encoder/").split("/")
        weights[".".join([*place, NAMES.get(kind, kind)])] = array
    return LightWhisperEncoder(weights, heads)
