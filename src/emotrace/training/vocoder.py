"""The unified vocoder, IR -> waveform, by the recipe of SSL-SAS: HiFi-GAN's losses on crops of 0.56 s.

The features of a crop are cut from those of its whole utterance. SSL-SAS extracts them from the crop itself at every
step, HuBERT and YAAPT included; `CropFeatures` is that way, some twenty times slower. The two are not identical.
Axes: B batch, D IR channels, L frames (100/s), T samples at 16 kHz.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.representation.features import FrontEnds
from emotrace.representation.ir import HOP, IRSpec
from emotrace.training.decoders import IRS, Extraction, needs
from emotrace.training.loop import Recipe
from emotrace.training.workshop import Workshop
from emotrace.vocoder.discriminators import SLIM, DiscriminatorConfig, Discriminators
from emotrace.vocoder.istft import IstftConfig, IstftGenerator
from emotrace.vocoder.losses import (
    MEL_WEIGHT,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    generator_loss,
    mel_loss,
)

SEGMENT = 8_960  # samples: 0.56 s, 56 frames
FRAMES = SEGMENT // HOP
LEARNING_RATE = 2e-4
MEL_ONLY_RATE = 1e-3  # a plain regression stands a higher rate, and a CPU has no 100,000 steps to give
DECAY = 0.999  # of both rates, each time as many segments were seen as there are utterances


class CropSource(Protocol):
    """Where the IR of a crop comes from."""

    def __call__(self, utterance: int, first_frame: int) -> Tensor:
        """IR (D, 56) of the crop that begins at `first_frame` of the utterance with this index."""


@dataclass(frozen=True)
class UtteranceFeatures:
    """The default: crops of whole-utterance IRs, (D, L) each."""

    irs: Sequence[Tensor]

    def __call__(self, utterance: int, first_frame: int) -> Tensor:
        """(D, 56), cut; an IR that ends a frame early has its last frame repeated."""
        crop = self.irs[utterance][:, first_frame : first_frame + FRAMES]
        return torch.cat([crop, crop[:, -1:].expand(-1, FRAMES - crop.shape[1])], dim=1)


@dataclass(frozen=True)
class CropFeatures:
    """SSL-SAS's way: the front-ends hear nothing but the crop. Waveforms (T,) each."""

    waveforms: Sequence[np.ndarray]
    front_ends: FrontEnds
    spec: IRSpec

    def __call__(self, utterance: int, first_frame: int) -> Tensor:
        """(D, 56), extracted."""
        return self.front_ends.of_crop(self.waveforms[utterance], first_frame * HOP, SEGMENT).ir(self.spec)


class VocoderTraining(Recipe):
    """AdamW 2e-4 for both sides, 45 x mel L1 + 2 x feature matching + LS-GAN, after `mel_only` steps of mel L1 alone.

    `generator` maps (B, D, 56) to (B, 1, 8960); a HifiGan or an IstftGenerator. The paper's own values: batch_size
    32, mel_only 0, discriminators PAPER. Raises ValueError for an utterance that is shorter than a segment.
    """

    def __init__(
        self,
        generator: nn.Module,
        waveforms: Sequence[np.ndarray],
        features: CropSource,
        *,
        discriminators: DiscriminatorConfig = SLIM,
        batch_size: int = 32,
        mel_only: int = 0,
        seed: int = 0,
    ) -> None:
        if short := [i for i, waveform in enumerate(waveforms) if len(waveform) < SEGMENT]:
            raise ValueError(f"training utterance {short[0]} is shorter than a segment of {SEGMENT} samples")
        self.waveforms, self.features = waveforms, features
        self.batch_size, self.mel_only = batch_size, mel_only
        torch.manual_seed(seed)
        self.modules = {"generator": generator.train(), "discriminators": Discriminators(discriminators).train()}
        self.optimisers = {
            name: torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE, betas=(0.8, 0.99))
            for name, module in self.modules.items()
        }
        self.schedulers = {
            name: torch.optim.lr_scheduler.LambdaLR(optimiser, self._rates(mel_only if name == "generator" else 0))
            for name, optimiser in self.optimisers.items()
        }

    def _rates(self, mel_only: int) -> Callable[[int], float]:
        """Multiple of the learning rate after so many steps: the mel-only rate first, and a decay with every epoch."""
        steps_an_epoch = max(1, len(self.waveforms) // self.batch_size)
        first = MEL_ONLY_RATE / LEARNING_RATE
        return lambda step: (first if step < mel_only else 1.0) * DECAY ** (step // steps_an_epoch)

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops "ir" (B, D, 56) and "waveform" (B, 1, 8960); an utterance is drawn in proportion to its length."""
        lengths = np.array([len(waveform) for waveform in self.waveforms], dtype=np.float64)
        chosen = rng.choice(len(lengths), size=self.batch_size, p=lengths / lengths.sum())
        firsts = [int(rng.integers(0, (len(self.waveforms[i]) - SEGMENT) // HOP + 1)) for i in chosen]
        pairs = list(zip(chosen, firsts, strict=True))
        audio = np.stack([self.waveforms[i][first * HOP : first * HOP + SEGMENT] for i, first in pairs])
        return {
            "ir": torch.stack([self.features(int(i), first) for i, first in pairs]),
            "waveform": torch.from_numpy(audio)[:, None],
        }

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of the discriminators, then one of the generator; of the generator alone in the mel-only phase."""
        real, ir = (batch[name].to(accelerator.device) for name in ("waveform", "ir"))
        fake = self.modules["generator"](ir)
        if step < self.mel_only:
            return self._learn_mel(real, fake, accelerator)
        judged = self._learn_to_judge(real, fake.detach(), accelerator)
        return judged | self._learn_to_deceive(real, fake, accelerator)

    def _learn_mel(self, real: Tensor, fake: Tensor, accelerator: Accelerator) -> dict[str, float]:
        mel = mel_loss(real, fake)
        self._step("generator", MEL_WEIGHT * mel, accelerator)
        return {"mel": mel.item()}

    def _learn_to_judge(self, real: Tensor, fake: Tensor, accelerator: Accelerator) -> dict[str, float]:
        judge = self.modules["discriminators"].requires_grad_(True)
        loss = discriminator_loss(judge(real), judge(fake))
        self._step("discriminators", loss, accelerator)
        return {"discriminators": loss.item()}

    def _learn_to_deceive(self, real: Tensor, fake: Tensor, accelerator: Accelerator) -> dict[str, float]:
        judge = self.modules["discriminators"].requires_grad_(False)
        with torch.no_grad():
            judged_real = judge(real)
        judged_fake = judge(fake)
        losses = {
            "mel": mel_loss(real, fake),
            "features": feature_loss(judged_real, judged_fake),
            "adversarial": adversarial_loss(judged_fake),
        }
        self._step("generator", generator_loss(*losses.values()), accelerator)
        return {name: loss.item() for name, loss in losses.items()}

    def _step(self, name: str, loss: Tensor, accelerator: Accelerator) -> None:
        self.optimisers[name].zero_grad()
        accelerator.backward(loss)
        self.optimisers[name].step()
        self.schedulers[name].step()


def train_unified(workshop: Workshop, name: str) -> None:
    """The small unified vocoder of one IR, e.g. "log-mel": an iSTFT generator, mel only first, then with the GAN."""
    data, budget = workshop.augmented_set.at_least(SEGMENT), workshop.budget
    extraction, spec = Extraction(workshop.models, workshop.work / "features"), IRS[name]
    irs = extraction.irs(data, spec)
    torch.manual_seed(workshop.seed)
    generator = IstftGenerator(IstftConfig(in_channels=irs[0].shape[0]))
    generator.fit_normalisation(irs)
    recipe = VocoderTraining(
        generator,
        data.waveforms,
        UtteranceFeatures(irs),
        batch_size=8,
        mel_only=budget.unified_mel,
        seed=workshop.seed,
    )
    record = workshop.fit(f"unified-{name}", recipe, budget.unified_mel + budget.unified_gan, needs=needs(spec))
    workshop.ship(
        f"unified-{name}",
        generator.state_dict(),
        vars(generator.config),
        purpose=f"IR {name} ({irs[0].shape[0]} channels, 100 frames/s) -> 16 kHz waveform, in one network",
        records={"unified": record},
        notes=f"{budget.unified_mel} steps of mel L1 alone, then {budget.unified_gan} with slim discriminators.",
    )
