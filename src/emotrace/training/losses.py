"""The losses of HiFi-GAN, with the paper's weights: 45 x mel L1 + 2 x feature matching + least-squares GAN.

Axes: B batch, T samples. Source: Kong, Kim and Bae 2020, section 2.4, equations 1 to 6; Mao et al. 2017 (LS-GAN).
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import l1_loss

from emotrace.representation.mel import ssl_sas_mel
from emotrace.training.discriminators import Judgement

MEL_WEIGHT = 45.0
FEATURE_WEIGHT = 2.0


def discriminator_loss(real: Sequence[Judgement], fake: Sequence[Judgement]) -> Tensor:
    """Sum over the discriminators of mean (1 - D(real))^2 + mean D(fake)^2 (equation 1)."""
    return sum(
        (1 - real_score).square().mean() + fake_score.square().mean()
        for (real_score, _), (fake_score, _) in zip(real, fake, strict=True)
    )


def adversarial_loss(fake: Sequence[Judgement]) -> Tensor:
    """Sum over the discriminators of mean (1 - D(fake))^2 (equation 2)."""
    return sum((1 - score).square().mean() for score, _ in fake)


def feature_loss(real: Sequence[Judgement], fake: Sequence[Judgement]) -> Tensor:
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
