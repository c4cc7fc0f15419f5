"""How the unified vocoder is trained: small, for one CPU, and as SSL-SAS does (study section 5)."""

from dataclasses import dataclass, replace
from typing import Literal

from emotrace.training.discriminators import PAPER as PAPER_DISCRIMINATORS
from emotrace.training.discriminators import SLIM, DiscriminatorConfig


@dataclass(frozen=True)
class UnifiedConfig:
    """A generator, its discriminators and their training.

    Attributes:
        generator: "istft" (Vocos-like) or "hifigan".
        channels: width of the iSTFT generator, or channels that the HiFi-GAN begins with.
        discriminators: their channels.
        batch_size: crops of 8,960 samples a step, of all processes together.
        mel_only: steps of mel L1 alone, first.
        gan: steps with the discriminators.
        snapshots: steps after which the generator is kept, as model "unified-<IR>-step<n>".
        features: "utterance": cut from the cached features of whole utterances; "crop": extracted from every crop of
            every step, as the original does, and many times slower.

    AdamW, 2e-4 and x 0.999 an epoch, and the losses are the same for all (`vocoder.VocoderTraining`).
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
        if self.generator not in ("istft", "hifigan"):
            raise ValueError(f"no generator {self.generator!r}; there are: istft, hifigan")
        if not all(0 < step < self.steps for step in self.snapshots):
            raise ValueError(f"snapshots {self.snapshots}: steps between 1 and {self.steps - 1}")
        if self.features not in ("utterance", "crop"):
            raise ValueError(f"no features {self.features!r}; there are: utterance, crop")

    @property
    def steps(self) -> int:
        return self.mel_only + self.gan


SMALL = UnifiedConfig(
    "istft",
    channels=256,
    discriminators=SLIM,
    batch_size=8,
    mel_only=2_400,
    gan=500,
    snapshots=(300, 1_000, 2_400, 2_550, 2_700),
)
PAPER = UnifiedConfig(
    "hifigan", channels=512, discriminators=PAPER_DISCRIMINATORS, batch_size=32, mel_only=0, gan=100_000
)
ORIGINAL = replace(PAPER, features="crop")
