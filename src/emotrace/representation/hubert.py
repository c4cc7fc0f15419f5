"""Linguistic features: the layers of a HuBERT.

Axes: B batch, T samples at 16 kHz, L frames (50 per second), C channels.

T0 is the input of the first transformer layer (positional embedding added), T_n the output of transformer layer n.
In a post-norm model (HuBERT-base) that includes the layer's own norm. In a pre-norm model (do_stable_layer_norm) T_n
is the residual stream, BEFORE the encoder's final norm, for the last layer as for any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel

from emotrace.representation.mel_hubert import model_class
from emotrace.representation.streams import evaluating
from emotrace.weights import ModelFolder

HEAD_KEY = "soft_head.W"  # beside the HuBERT of the soft units lies their matrix
MINIMUM = 400  # samples in the receptive field of the first frame


class HubertLayer:
    """T_n as a stream (L, C) at 50 frames per second."""

    models: ClassVar[tuple[str, ...]] = ("hubert",)
    rate = 50.0

    def __init__(self, hubert: Hubert, layer: int):
        self.hubert, self.layer, self.dimension = hubert, layer, hubert.channels

    @classmethod
    def load(cls, models: ModelFolder, layer: int | None = None, device: str = "cpu") -> HubertLayer:
        """Raises ModelError where the HuBERT is not there, IndexError where it has no such layer."""
        hubert = load_hubert(models, "hubert", device)
        if layer is None or not 0 <= layer <= hubert.n_layers:
            raise IndexError(f"T{layer} of a HuBERT with {hubert.n_layers} layers")
        return cls(hubert, layer)

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (L, C), L = (T - 80) // 320. Raises ValueError for less than 25 ms."""
        return self.hubert.layer(waveform.to(self.hubert.model.device), self.layer).cpu()


class Hubert(nn.Module):
    """A transformers HubertModel that hands out its layers."""

    def __init__(self, model: HubertModel) -> None:
        super().__init__()
        self.model = model
        self._shown = False

    @classmethod
    def from_config(cls, config: HubertConfig) -> Hubert:
        """Untrained, in evaluation mode. Raises ValueError for a front-end that does not exist."""
        return cls(model_class(config)(config)).eval()

    @property
    def n_layers(self) -> int:
        return self.model.config.num_hidden_layers

    @property
    def channels(self) -> int:
        return self.model.config.hidden_size

    def forward(self, waveform: Tensor, *, mask: Tensor | None = None) -> list[Tensor]:
        """All layers of a batch, with gradients: (B, T), mask (B, L) bool or None -> [T0..Tn], each (B, L, C).

        `mask` is True where the frame is replaced by the mask embedding (HuBERT pretraining); the model must be in
        training mode for transformers to apply it.
        """
        output = self.model(waveform, mask_time_indices=mask, output_hidden_states=True)
        return list(output.hidden_states)

    def layers(self, waveform: Tensor, *, last: int | None = None) -> list[Tensor]:
        """All layers of one utterance from one pass: (T,) -> [T0..Tn], each (L, C), L = (T - 80) // 320.

        ``last``: the number of the last layer wanted; those above it are not computed. Raises ValueError for a waveform
        that is not (T,) or shorter than 400 samples (25 ms).
        """
        if waveform.ndim != 1:
            raise ValueError(f"HuBERT's layers take one waveform (T,), got shape {tuple(waveform.shape)}")
        if len(waveform) < MINIMUM:
            raise ValueError(f"HuBERT needs at least {MINIMUM} samples (25 ms at 16 kHz), got {len(waveform)}")
        wanted = self.n_layers if last is None else last
        if wanted < self.n_layers:
            self._show_all_layers()
        with evaluating(self), _up_to(self.model.encoder, max(wanted, 1)):
            return [layer[0] for layer in self(waveform[None])][: wanted + 1]

    def _show_all_layers(self) -> None:
        """transformers hooks itself into the layers that its first pass finds, and never again: it must find all."""
        if not self._shown:
            with evaluating(self):
                self(torch.zeros(1, MINIMUM, device=self.model.device))
            self._shown = True

    def layer(self, waveform: Tensor, n: int) -> Tensor:
        """T_n of one utterance: (T,) -> (L, C). Raises IndexError for a layer the model does not have."""
        if not 0 <= n <= self.n_layers:
            raise IndexError(f"T{n} of a HuBERT with {self.n_layers} layers")
        return self.layers(waveform, last=n)[n]


@contextmanager
def _up_to(encoder: nn.Module, last: int) -> Iterator[None]:
    """An encoder of the first ``last`` layers for the time being; transformers reports no state of one without any."""
    every, encoder.layers = encoder.layers, encoder.layers[:last]
    try:
        yield
    finally:
        encoder.layers = every


def load_hubert(models: ModelFolder, name: str, device: str) -> Hubert:
    """The HuBERT in the model folder ``name``, loaded once per process. Raises ModelError where it is not there."""
    return _loaded(models, name, device, models.stamp(name))


@lru_cache(maxsize=4)
def _loaded(models: ModelFolder, name: str, device: str, _: tuple[int, ...]) -> Hubert:
    hubert = Hubert.from_config(HubertConfig.from_dict(models.config(name)))
    models.fill(hubert.model, name, {key: value for key, value in models.tensors(name).items() if key != HEAD_KEY})
    return hubert.to(device)
