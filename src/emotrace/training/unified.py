"""How the unified vocoder is trained: small, for one CPU, and as SSL-SAS does (github.com/nii-yamagishilab/SSL-SAS).

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
    """A generator, its discriminators and their training.

    AdamW, 2e-4 and x 0.999 an epoch, and the losses are the same for all (`vocoder.VocoderTraining`).

    Attributes:
        generator: "istft" (Vocos-like) or "hifigan".
        channels: width of the iSTFT generator, or channels that the HiFi-GAN begins with.
        discriminators: their channels.
        batch_size: crops of 8,960 samples a step, of all processes together.
        mel_only: steps of mel L1 alone, first.
        gan: steps with the discriminators.
        features: "utterance": cut from the cached features of whole utterances; "crop": extracted from every crop of
            every step, as the original does, and many times slower.
        snapshots: steps after which the generator is kept, as model "unified-<IR>-step<n>".

    Raises:
        ValueError: an unknown generator or kind of features, or a snapshot that is not before the end.
    """

    generator: Literal["istft", "hifigan"]
    channels: int
    discriminators: DiscriminatorConfig
    batch_size: int
    mel_only: int
    gan: int
    features: Literal["utterance", "crop"] = "utterance"
    snapshots: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for field, value, known in (
            ("generator", self.generator, ("istft", "hifigan")),
            ("features", self.features, ("utterance", "crop")),
        ):
            if value not in known:
                raise ValueError(f"no {field} {value!r}; there are: {', '.join(known)}")
        if not all(0 < step < self.steps for step in self.snapshots):
            raise ValueError(f"snapshots {self.snapshots}: steps between 1 and {self.steps - 1}")

    @property
    def steps(self) -> int:
        """All steps."""
        return self.mel_only + self.gan


# the early layers of a scale discriminator, at the full rate, cost most of a CPU's time: they are slimmed most
SLIM = DiscriminatorConfig((8, 16, 64, 128, 128), (8, 8, 16, 64, 128, 128, 128), (1, 2, 4, 8, 8, 8, 1))
HIFIGAN = DiscriminatorConfig(
    (32, 128, 512, 1024, 1024), (128, 128, 256, 512, 1024, 1024, 1024), (1, 4, 16, 16, 16, 16, 1)
)
"""The discriminators of HiFi-GAN, which SSL-SAS takes."""
SMALL = UnifiedConfig(
    "istft",
    channels=256,
    discriminators=SLIM,
    batch_size=8,
    mel_only=2_400,
    gan=500,
    snapshots=(300, 1_000, 2_400, 2_550, 2_700),
)
PAPER = UnifiedConfig("hifigan", channels=512, discriminators=HIFIGAN, batch_size=32, mel_only=0, gan=100_000)
ORIGINAL = replace(PAPER, features="crop")
"""SSL-SAS to the letter: `PAPER` with the features of every crop."""


@dataclass(frozen=True)
class JointConfig:
    """How a joint model is trained: as a unified vocoder, but with the discriminators from the first step.

    ``snapshots``: steps after which the model is kept as well, as "joint-<IR>-step<n>".
    """

    steps: int = 600
    batch_size: int = 4
    discriminators: DiscriminatorConfig = SLIM
    snapshots: tuple[int, ...] = (150, 300)
