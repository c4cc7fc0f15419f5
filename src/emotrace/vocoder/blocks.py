"""Layers of the acoustic model. Axes: B batch, C channels, L frames.

ConvNeXt as in Liu et al. 2022 (section 2), in one dimension as Vocos uses it (Siuzdak 2024).
"""

import torch
from torch import Tensor, nn


class ConvNext(nn.Module):
    """(B, C, L) -> (B, C, L): depthwise convolution, layer norm, two pointwise layers, scaled residual."""

    def __init__(self, channels: int, kernel: int, hidden: int, *, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.pointwise = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, L) -> (B, C, L)."""
        update = self.norm(self.depthwise(hidden).transpose(1, 2))
        return hidden + (self.scale * self.pointwise(update)).transpose(1, 2)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, L)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, L) -> (B, C, L)."""
        return super().forward(hidden.transpose(1, 2)).transpose(1, 2)
