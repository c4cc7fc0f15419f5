"""Soft units: a linear head on the last layer of a fine-tuned HuBERT.

Axes: B batch, T samples at 16 kHz, L frames, C channels, U units.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotrace.representation.hubert import HEAD_KEY, Hubert, load_hubert
from emotrace.representation.spec import ENCODERS
from emotrace.weights import ModelFolder


class SoftUnits:
    """The soft units as a stream (L, U) at 50 frames per second, of a HuBERT of their own, as in SSL-SAS."""

    models: ClassVar[tuple[str, ...]] = ("soft",)
    rate = 50.0

    def __init__(self, hubert: Hubert, head: SoftHead):
        self.hubert, self.head, self.dimension = hubert, head, head.W.shape[0]

    @classmethod
    def load(cls, models: ModelFolder, layer: int | None = None, device: str = "cpu") -> SoftUnits:
        """Raises ModelError where the soft predictor is not there."""
        weight = models.tensors("soft")[HEAD_KEY]
        head = models.fill(SoftHead(weight.shape[1], weight.shape[0]), "soft", {"W": weight})
        return cls(load_hubert(models, "soft", device), head.to(device))

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (L, U). Raises ValueError for less than 25 ms."""
        last = self.hubert.layers(waveform.to(self.head.W.device))[ENCODERS["hubert"].last]
        with torch.no_grad():
            return self.head(last).cpu()


class SoftHead(nn.Module):
    """SSL-SAS's soft units: features normalised along TIME, times the row-normalised W.

    Normalising along time, not along channels, is what the original does (F.normalize's default axis on (B, L, C)).
    It makes a unit's scale depend on the utterance's length: pad nothing, and run one utterance at a time.
    """

    def __init__(self, channels: int = 768, units: int = 200) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(units, channels))
        nn.init.xavier_uniform_(self.W)

    def forward(self, features: Tensor) -> Tensor:
        """(L, C) -> (L, U), or (B, L, C) -> (B, L, U). Raises ValueError when C is not the head's."""
        _require_channels(features, self.W.shape[1])
        return F.linear(F.normalize(features, dim=-2), F.normalize(self.W, dim=1))


def _require_channels(features: Tensor, channels: int) -> None:
    if features.ndim not in (2, 3) or features.shape[-1] != channels:
        raise ValueError(f"soft units of this head take (L, {channels}), got shape {tuple(features.shape)}")
