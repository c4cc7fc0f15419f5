"""Layers on numpy against torch's own."""

import numpy as np
import pytest
import torch
from torch import nn

from emotrace.light import layers

CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def weights_of(module: nn.Module, name: str) -> dict[str, np.ndarray]:
    return {f"{name}.{key}": value.numpy() for key, value in module.state_dict().items()}


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (nn.Linear(24, 7), layers.linear),
        (nn.LayerNorm(24), layers.layer_norm),
    ],
    ids=["linear", "layer norm"],
)
def test_layers_of_channels(module, function, rng):
    x = normal(rng, 3, 5, 24)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    module.requires_grad_(False)
    np.testing.assert_allclose(function(x, weights_of(module, "m"), "m"), module(torch.from_numpy(x)), **CLOSE)


def test_batch_norm_uses_what_training_left_behind(rng):
    module = nn.BatchNorm1d(6).requires_grad_(False)
    for value in (module.weight, module.bias, module.running_mean):
        value.copy_(torch.from_numpy(normal(rng, 6)))
    module.running_var.copy_(torch.from_numpy(rng.uniform(0.5, 2, 6).astype(np.float32)))
    x = normal(rng, 3, 5, 6)
    wanted = module.eval()(torch.from_numpy(x).transpose(1, 2)).transpose(1, 2)
    np.testing.assert_allclose(layers.batch_norm(x, weights_of(module, "m"), "m"), wanted, **CLOSE)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(layers.gelu, nn.functional.gelu), (layers.relu, torch.relu), (layers.softmax, lambda x: x.softmax(-1))],
    ids=["gelu", "relu", "softmax"],
)
def test_activations(ours, theirs, rng):
    x = 4 * normal(rng, 3, 50)
    np.testing.assert_allclose(ours(x), theirs(torch.from_numpy(x)), **CLOSE)


def test_attention(rng):
    q, k, v = (normal(rng, 2, 9, 24) for _ in range(3))
    heads = [torch.from_numpy(x).unflatten(-1, (4, 6)).transpose(1, 2) for x in (q, k, v)]
    wanted = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    np.testing.assert_allclose(layers.attention(q, k, v, 4), wanted, **CLOSE)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 2)])
def test_convolution(stride, rng):
    x, weight, bias = normal(rng, 2, 3, 11, 8), normal(rng, 5, 3, 3, 3), normal(rng, 5)
    wanted = nn.functional.conv2d(*map(torch.from_numpy, (x, weight, bias)), stride=stride)
    np.testing.assert_allclose(layers.convolve(x, weight, bias, stride), wanted, **CLOSE)


def test_lstm(rng):
    module = nn.LSTM(10, 16, 3, batch_first=True).requires_grad_(False)
    x = normal(rng, 2, 30, 10)
    wanted, _ = module(torch.from_numpy(x))
    np.testing.assert_allclose(layers.lstm(x, weights_of(module, "lstm"), 3), wanted, **CLOSE)
