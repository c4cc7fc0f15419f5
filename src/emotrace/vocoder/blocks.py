"""Layers that the acoustic model and the iSTFT generator share. Axes: B batch, C channels, L frames.

ConvNeXt as in Liu et al. 2022 (section 2), in one dimension as Vocos uses it (Siuzdak 2024).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MIN_STD = 1e-3  # a constant channel (an unused soft unit, a padded band) must not be blown up


class Standardise(nn.Module):
    """Mean and standard deviation of each channel as buffers, which travel with the model."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1))
        self.register_buffer("std", torch.ones(channels, 1))

    def forward(self, values: Tensor) -> Tensor:
        """(B, C, L) in its own units -> (B, C, L) in standard deviations."""
        return (values - self.mean) / self.std

    def inverse(self, values: Tensor) -> Tensor:
        """(B, C, L) in standard deviations -> (B, C, L) in its own units."""
        return values * self.std + self.mean

    @torch.no_grad()
    def fit(self, arrays: Iterable[Tensor]) -> None:
        """Moments over the frames of all (C, L), summed up one by one in float64. Raises ValueError on NaN or none."""
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
        self.mean.copy_(mean)
        self.std.copy_(std.clamp(min=MIN_STD))


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
