"""Multi-period and multi-scale discriminators of HiFi-GAN, at the paper's width and slim.

Axes: B batch, C channels, T samples, P period. Source: Kong, Kim and Bae 2020, section 2.3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, leaky_relu, pad
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

SLOPE = 0.1
PERIODS = (2, 3, 5, 7, 11)
SCALES = 3
# kernel and stride of each convolution of a scale discriminator
SCALE_LAYERS = ((15, 1), (41, 2), (41, 2), (41, 4), (41, 4), (41, 1), (5, 1))

Judgement = tuple[Tensor, list[Tensor]]  # scores (B, any) and the feature maps of every layer


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Channels of every convolution; `scale_groups` are those of the scale discriminators' convolutions."""

    period_channels: tuple[int, ...]
    scale_channels: tuple[int, ...]
    scale_groups: tuple[int, ...]


PAPER = DiscriminatorConfig(
    (32, 128, 512, 1024, 1024), (128, 128, 256, 512, 1024, 1024, 1024), (1, 4, 16, 16, 16, 16, 1)
)
# the early layers of a scale discriminator, at the full rate, cost most of a CPU's time: they are slimmed most
SLIM = DiscriminatorConfig((8, 16, 64, 128, 128), (8, 8, 16, 64, 128, 128, 128), (1, 2, 4, 8, 8, 8, 1))


class Discriminators(nn.Module):
    """Waveform (B, 1, T) -> one judgement of each period, then of each scale."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.periods = nn.ModuleList(PeriodDiscriminator(period, config.period_channels) for period in PERIODS)
        # as in the original, the discriminator of the raw waveform is spectrally normalised, the others are not
        self.scales = nn.ModuleList(ScaleDiscriminator(config, spectral=scale == 0) for scale in range(SCALES))

    def forward(self, waveform: Tensor) -> list[Judgement]:
        """(B, 1, T) -> 5 + 3 judgements."""
        judgements = [period(waveform) for period in self.periods]
        for scale in self.scales:
            judgements.append(scale(waveform))
            waveform = avg_pool1d(waveform, 4, 2, padding=2)
        return judgements


class PeriodDiscriminator(nn.Module):
    """Sees every P-th sample: the waveform folded to (B, 1, T / P, P), convolved along time alone."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        strides = [3] * (len(channels) - 1) + [1]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(wide, narrow, (5, 1), (stride, 1), padding=(2, 0)))
            for wide, narrow, stride in zip((1, *channels[:-1]), channels, strides, strict=True)
        )
        self.conv_post = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform: Tensor) -> Judgement:
        """(B, 1, T) -> its judgement; T is filled up to a multiple of the period by reflection."""
        waveform = pad(waveform, (0, -waveform.shape[2] % self.period), mode="reflect")
        return _judge(self.convs, self.conv_post, waveform.unflatten(2, (-1, self.period)))


class ScaleDiscriminator(nn.Module):
    """Sees the waveform at one rate, through grouped strided convolutions."""

    def __init__(self, config: DiscriminatorConfig, *, spectral: bool) -> None:
        super().__init__()
        norm = spectral_norm if spectral else weight_norm
        channels = config.scale_channels
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(wide, narrow, kernel, stride, padding=kernel // 2, groups=groups))
            for wide, narrow, groups, (kernel, stride) in zip(
                (1, *channels[:-1]), channels, config.scale_groups, SCALE_LAYERS, strict=True
            )
        )
        self.conv_post = norm(nn.Conv1d(channels[-1], 1, 3, padding=1))

    def forward(self, waveform: Tensor) -> Judgement:
        """(B, 1, T) -> its judgement."""
        return _judge(self.convs, self.conv_post, waveform)


def _judge(convs: nn.ModuleList, conv_post: nn.Module, hidden: Tensor) -> Judgement:
    maps = []
    for conv in convs:
        hidden = leaky_relu(conv(hidden), SLOPE)
        maps.append(hidden)
    scores = conv_post(hidden)
    return torch.flatten(scores, 1), [*maps, scores]
