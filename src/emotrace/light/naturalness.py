"""Predicted naturalness by Distill-MOS (Stahl and Gamper 2025, Microsoft), on numpy. T samples at 16 kHz.

Axes: N windows, F frequencies, L frames, C channels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.signal import get_window
from scipy.special import expit

from emotrace.corpus.audio import level_normalise
from emotrace.light.layers import (
    Weights,
    attention,
    batch_norm,
    convolve,
    layer_norm,
    linear,
    relu,
    softmax,
)
from emotrace.light.tensors import read_state
from emotrace.light.weights import obtain_weights

WINDOW = 122_880  # samples; the network looks at 7.68 s at a time
SIZE, HOP = 320, 160  # samples of a frame, and from one to the next
CONVOLUTIONS, LAYERS, HEADS = 6, 7, 8
HEAD = "transformer_pool_attn"


class LightDistilMos:
    """`DistilMos` of `emotrace.evaluation.naturalness` without torch: the same weights, by matrix products."""

    same_as = "emotrace.evaluation.naturalness:DistilMos"

    def __init__(self, weights: Weights):
        self._weights = weights

    @classmethod
    def make(cls, device: str = "cpu") -> LightDistilMos:
        """It runs on the CPU, whatever the device. Raises CheckpointError where the weights cannot be had."""
        return cls(read_state(cls.files()[0], "model"))

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The file of its weights."""
        return (obtain_weights("distillmos"),)

    def score(self, waveform: np.ndarray) -> float:
        """Mean opinion score, 1 to 5, of a waveform (T,), whatever its level: the mean over windows of 7.68 s.

        The windows cover the utterance evenly and overlap by less than one of them; a shorter utterance is filled up
        with zeros. Raises AudioError on silence and NaN.
        """
        speech = level_normalise(waveform)
        speech = np.pad(speech, (0, max(0, WINDOW - len(speech))))
        starts = np.linspace(0, len(speech) - WINDOW, -(-len(speech) // WINDOW)).astype(int)
        return float(np.mean([self._rate(speech[start : start + WINDOW]) for start in starts]))

    def _rate(self, window: np.ndarray) -> float:
        """The score of a window (T,)."""
        w, hidden = self._weights, compressed_spectrum(window / (np.abs(window).max() + np.float32(1e-8)))[None]
        for place in range(CONVOLUTIONS):
            hidden = np.pad(hidden, ((0, 0), (0, 0), (0, 0), (1, 1)))
            stride = (2 if place else 1, 2 if place == CONVOLUTIONS - 1 else 1)
            kernel, bias = (w[f"cnn.cnn.{2 * place}.{kind}"] for kind in ("weight", "bias"))
            hidden = convolve(hidden, kernel, bias, stride)
            hidden = np.where(hidden > 0, hidden, np.float32(0.1) * hidden)
        hidden = hidden.reshape(1, -1, hidden.shape[-1]).swapaxes(1, 2)
        hidden = batch_norm(batch_norm(hidden, w, f"{HEAD}.norm_input"), w, f"{HEAD}.transformer.norm")
        hidden = linear(hidden, w, f"{HEAD}.transformer.linear_proj")
        hidden = hidden + w[f"{HEAD}.transformer.position_encoding.pe"]
        for number in range(LAYERS):
            hidden = self._transformed(hidden, f"{HEAD}.transformer.transformer_encoder.layers.{number}")
        hidden = batch_norm(hidden, w, f"{HEAD}.norm_trans")
        weight = linear(relu(linear(hidden, w, f"{HEAD}.pool.linear1")), w, f"{HEAD}.pool.linear2")
        pooled = softmax(weight.swapaxes(1, 2)) @ hidden
        return 1 + 4 * float(expit(linear(pooled, w, f"{HEAD}.pool.linear3")).item())

    def _transformed(self, x: np.ndarray, place: str) -> np.ndarray:
        """A layer of a transformer with its norms behind the sums, (N, L, C) -> (N, L, C)."""
        w = self._weights
        weight, bias = (w[f"{place}.self_attn.in_proj_{kind}"] for kind in ("weight", "bias"))
        parts = np.split(x @ weight.T + bias, 3, axis=-1)
        mixed = linear(attention(*parts, HEADS), w, f"{place}.self_attn.out_proj")
        x = layer_norm(x + mixed, w, f"{place}.norm1")
        wide = linear(relu(linear(x, w, f"{place}.linear1")), w, f"{place}.linear2")
        return layer_norm(x + wide, w, f"{place}.norm2")


def compressed_spectrum(window: np.ndarray) -> np.ndarray:
    """(T,) -> (2, F = 161, L = T // 160): real and imaginary part, the magnitude to the power of 0.3."""
    padded = np.pad(window, (SIZE - HOP) // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP] * get_window("hann", SIZE)
    spectrum = np.fft.rfft(frames)
    magnitude = np.maximum(np.abs(spectrum), 1e-12)
    spectrum = magnitude**0.3 * spectrum / magnitude
    return np.stack([spectrum.real.T, spectrum.imag.T]).astype(np.float32)
