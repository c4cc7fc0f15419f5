"""Multi-period and multi-scale discriminators of HiFi-GAN, and the losses of its training.

45 x mel L1 + 2 x feature matching + least-squares GAN (Mao et al. 2017). Source: Kong, Kim and Bae 2020 (HiFi-GAN),
sections 2.3 and 2.4, equations 1 to 6. Axes: B batch, C channels, T samples, P period.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, l1_loss, leaky_relu, pad
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from emotrace.representation.mel import ssl_sas_mel
from emotrace.training.unified import DiscriminatorConfig

SLOPE = 0.1
PERIODS = (2, 3, 5, 7, 11)
SCALES = 3
# kernel and stride of each convolution of a scale discriminator
SCALE_LAYERS = ((15, 1), (41, 2), (41, 2), (41, 4), (41, 4), (41, 1), (5, 1))
MEL_WEIGHT = 45.0
FEATURE_WEIGHT = 2.0

DiscriminatorOutput = tuple[Tensor, list[Tensor]]
"""Scores (B, any), and the feature maps of every layer."""


class Discriminators(nn.Module):
    """Waveform (B, 1, T) -> one output of each period, then of each scale."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.periods = nn.ModuleList(PeriodDiscriminator(period, config.period_channels) for period in PERIODS)
        # as in the original, the discriminator of the raw waveform is spectrally normalised, the others are not
        self.scales = nn.ModuleList(ScaleDiscriminator(config, spectral=scale == 0) for scale in range(SCALES))

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        """(B, 1, T) -> 5 + 3 outputs."""
        outputs = [period(waveform) for period in self.periods]
        for scale in self.scales:
            outputs.append(scale(waveform))
            waveform = avg_pool1d(waveform, 4, 2, padding=2)
        return outputs


class PeriodDiscriminator(nn.Module):
    """Reads every P-th sample: the waveform folded to (B, 1, T / P, P), convolved along time alone."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        strides = [3] * (len(channels) - 1) + [1]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(wide, narrow, (5, 1), (stride, 1), padding=(2, 0)))
            for wide, narrow, stride in zip((1, *channels[:-1]), channels, strides, strict=True)
        )
        self.conv_post = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        """(B, 1, T) -> its output; T is filled up to a multiple of the period by reflection."""
        waveform = pad(waveform, (0, -waveform.shape[2] % self.period), mode="reflect")
        return _output(self.convs, self.conv_post, waveform.unflatten(2, (-1, self.period)))


class ScaleDiscriminator(nn.Module):
    """Reads the waveform at one rate, through grouped strided convolutions."""

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

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        """(B, 1, T) -> its output."""
        return _output(self.convs, self.conv_post, waveform)


def _output(convs: nn.ModuleList, conv_post: nn.Module, hidden: Tensor) -> DiscriminatorOutput:
    maps = []
    for conv in convs:
        hidden = leaky_relu(conv(hidden), SLOPE)
        maps.append(hidden)
    scores = conv_post(hidden)
    return torch.flatten(scores, 1), [*maps, scores]


def discriminator_loss(real: Sequence[DiscriminatorOutput], fake: Sequence[DiscriminatorOutput]) -> Tensor:
    """Sum over the discriminators of mean (1 - D(real))^2 + mean D(fake)^2 (equation 1)."""
    return sum(
        (1 - real_score).square().mean() + fake_score.square().mean()
        for (real_score, _), (fake_score, _) in zip(real, fake, strict=True)
    )


def adversarial_loss(fake: Sequence[DiscriminatorOutput]) -> Tensor:
    """Sum over the discriminators of mean (1 - D(fake))^2 (equation 2)."""
    return sum((1 - score).square().mean() for score, _ in fake)


def feature_loss(real: Sequence[DiscriminatorOutput], fake: Sequence[DiscriminatorOutput]) -> Tensor:
    """Sum over discriminators and layers of the mean absolute difference of their feature maps (equation 4)."""
    return sum(
        l1_loss(fake_map, real_map.detach())
        for (_, real_maps), (_, fake_maps) in zip(real, fake, strict=True)
        for real_map, fake_map in zip(real_maps, fake_maps, strict=True)
    )


def mel_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean absolute difference of the log-mels of two waveforms (B, 1, T) at 16 kHz (equation 3)."""
    return l1_loss(ssl_sas_mel(fake[:, 0]), ssl_sas_mel(real[:, 0]))


def generator_loss(mel: Tensor, features: Tensor, adversarial: Tensor) -> Tensor:
    """The weighted sum (equation 5)."""
    return MEL_WEIGHT * mel + FEATURE_WEIGHT * features + adversarial
