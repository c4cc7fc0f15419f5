"""Layers that the acoustic model and the iSTFT generator share. Axes: B batch, C channels, L frames.

ConvNeXt as in Liu et al. 2022 (section 2), in one dimension as Vocos uses it (Siuzdak 2024).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MIN_STD = 1e-3  # a constant channel (an unused soft unit, a padded band) must not be blown up


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


def channel_moments(arrays: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, (C, 1) each, over the frames of all (C, L), summed up one by one in float64.

    Raises ValueError on NaN and when there is no array.
    """
    count, total, squares = 0, 0.0, 0.0
    for array in arrays:
        frames = torch.as_tensor(array, dtype=torch.float64)
        count += frames.shape[1]
        total = total + frames.sum(dim=1, keepdim=True)
        squares = squares + frames.square().sum(dim=1, keepdim=True)
    if count == 0:
        raise ValueError("no training utterance to normalise by")
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    if not torch.isfinite(mean + std).all():
        raise ValueError("the features of the training utterances have NaN or infinite values")
    return mean, std.clamp(min=MIN_STD)
