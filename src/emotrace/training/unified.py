"""How vocoders learn from waveforms: as SSL-SAS does (github.com/nii-yamagishilab/SSL-SAS), and a joint one on a CPU.

Settings alone, which need no torch; the recipe and the discriminators are in `vocoder`.
"""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Channels of every convolution; `scale_groups` are those of the scale discriminators' convolutions."""

    period_channels: tuple[int, ...]
    scale_channels: tuple[int, ...]
    scale_groups: tuple[int, ...]


@dataclass(frozen=True)
class UnifiedConfig:
    """A HiFi-GAN from nothing, its discriminators and their training.

    AdamW, 2e-4 and x 0.999 an epoch, and the losses are the same for all (`vocoder.VocoderTraining`).

    Attributes:
        channels: those that the HiFi-GAN begins with.
        discriminators: their channels.
        batch_size: crops of 8,960 samples a step, of all processes together.
        steps: all of them with the discriminators.
        features: "utterance": cut from the cached features of whole utterances; "crop": extracted from every crop of
            every step, as the original does, and many times slower.

    Raises:
        ValueError: an unknown kind of features.
    """

    channels: int
    discriminators: DiscriminatorConfig
    batch_size: int
    steps: int
    features: Literal["utterance", "crop"] = "utterance"

    def __post_init__(self) -> None:
        if self.features not in (known := ("utterance", "crop")):
            raise ValueError(f"no features {self.features!r}; there are: {', '.join(known)}")


# the early layers of a scale discriminator, at the full rate, cost most of a CPU's time: they are slimmed most
SLIM = DiscriminatorConfig((8, 16, 64, 128, 128), (8, 8, 16, 64, 128, 128, 128), (1, 2, 4, 8, 8, 8, 1))
HIFIGAN = DiscriminatorConfig(
    (32, 128, 512, 1024, 1024), (128, 128, 256, 512, 1024, 1024, 1024), (1, 4, 16, 16, 16, 16, 1)
)
"""The discriminators of HiFi-GAN, which SSL-SAS takes."""
PAPER = UnifiedConfig(channels=512, discriminators=HIFIGAN, batch_size=32, steps=100_000)
ORIGINAL = replace(PAPER, features="crop")
"""SSL-SAS to the letter: `PAPER` with the features of every crop."""


@dataclass(frozen=True)
class JointConfig:
    """How a joint model is trained: by the same losses, with slim discriminators.

    ``snapshots``: steps after which the model is kept as well, as "joint-<IR>-step<n>".
    """

    steps: int = 600
    batch_size: int = 4
    discriminators: DiscriminatorConfig = SLIM
    snapshots: tuple[int, ...] = (150, 300)
