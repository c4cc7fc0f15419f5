"""Layers of neural networks on numpy, for inference. N items, L frames, C channels, H heads; weights as torch has them.

Every function takes and gives float32 arrays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import erf, expit

Weights = Mapping[str, np.ndarray]


def linear(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    """(..., C) -> (..., D) by a weight (D, C) and a bias (D,)."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    """The exact form, x times the normal distribution's probability of less than x."""
    return x * (0.5 * (1 + erf(x / np.float32(np.sqrt(2)))))


def relu(x: np.ndarray) -> np.ndarray:
    """x where it is positive, else 0."""
    return np.maximum(x, 0)


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    risen = np.exp(x - x.max(axis=-1, keepdims=True))
    return risen / risen.sum(axis=-1, keepdims=True)


def layer_norm(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    """(..., C) with mean 0 and variance 1 over the channels, then scale and shift."""
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(1e-5))
    return centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def batch_norm(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    """(..., C) by the mean and variance that training left behind."""
    scale = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + np.float32(1e-5))
    return (x - weights[f"{name}.running_mean"]) * scale + weights[f"{name}.bias"]


def attention(queries: np.ndarray, keys: np.ndarray, values: np.ndarray, heads: int) -> np.ndarray:
    """Scaled dot-product attention, each (N, L, C) -> (N, L, C); softmax of q k / sqrt(C / H) in every head."""
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2) for x in (queries, keys, values))
    mixed = softmax(q @ k.swapaxes(2, 3) / np.float32(np.sqrt(q.shape[-1]))) @ v
    return mixed.swapaxes(1, 2).reshape(queries.shape)


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: tuple[int, int]) -> np.ndarray:
    """Two-dimensional convolution without padding: (N, C, A, B) by (D, C, a, b) -> (N, D, A', B').

    One matrix product for each of the a x b places of the kernel.
    """
    *_, high, wide = weight.shape
    rows, columns = (x.shape[2] - high) // stride[0] + 1, (x.shape[3] - wide) // stride[1] + 1
    total = np.zeros((len(x), len(weight), rows * columns), np.float32)
    for row in range(high):
        for column in range(wide):
            seen = x[:, :, row :: stride[0], column :: stride[1]][:, :, :rows, :columns]
            total += weight[:, :, row, column] @ seen.reshape(*seen.shape[:2], -1)
    return (total + bias[:, None]).reshape(*total.shape[:2], rows, columns)


def lstm(x: np.ndarray, weights: Weights, layers: int) -> np.ndarray:
    """(N, L, C) -> outputs (N, L, D) of the last of several layers (Hochreiter and Schmidhuber 1997)."""
    for layer in range(layers):
        inner, outer = (weights[f"lstm.weight_{kind}_l{layer}"].T for kind in ("hh", "ih"))
        given = x @ outer + weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        hidden = cell = np.zeros((len(x), len(inner)), np.float32)
        outputs = np.empty((*x.shape[:2], len(inner)), np.float32)
        for frame in range(x.shape[1]):
            enter, forget, new, leave = np.split(given[:, frame] + hidden @ inner, 4, axis=1)
            cell = expit(forget) * cell + expit(enter) * np.tanh(new)
            hidden = outputs[:, frame] = expit(leave) * np.tanh(cell)
        x = outputs
    return x
