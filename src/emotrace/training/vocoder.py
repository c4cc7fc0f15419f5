"""The unified vocoder, IR -> waveform, by the recipe of SSL-SAS: HiFi-GAN's losses on crops of 0.56 s.

Axes: B batch, D IR channels, L frames (100/s), T samples at 16 kHz.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.representation.ir import HOP
from emotrace.training.crops import SEGMENT, CropSource
from emotrace.training.loop import Recipe
from emotrace.training.processes import own_slice
from emotrace.training.discriminators import SLIM, DiscriminatorConfig, Discriminators
from emotrace.training.losses import (
    MEL_WEIGHT,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    generator_loss,
    mel_loss,
)

LEARNING_RATE = 2e-4
MEL_ONLY_RATE = 1e-3  # a plain regression stands a higher rate, and a CPU has no 100,000 steps to give
DECAY = 0.999  # of both rates, each time as many segments were seen as there are utterances


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
        return self.part(rng, 0, 1)

    def part(self, rng: np.random.Generator, index: int, count: int) -> dict[str, Tensor]:
        """A process makes the features of its own crops alone: in the mode "crop" they cost most of a step."""
        pairs = self._draw(rng)[own_slice(self.batch_size, index, count)]
        audio = np.stack([self.waveforms[i][first * HOP : first * HOP + SEGMENT] for i, first in pairs])
        return {
            "ir": torch.stack([self.features(i, first) for i, first in pairs]),
            "waveform": torch.from_numpy(audio)[:, None],
        }

    def _draw(self, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Utterance and first frame of every crop."""
        lengths = np.array([len(waveform) for waveform in self.waveforms], dtype=np.float64)
        chosen = rng.choice(len(lengths), size=self.batch_size, p=lengths / lengths.sum())
        return [(int(i), int(rng.integers(0, (len(self.waveforms[i]) - SEGMENT) // HOP + 1))) for i in chosen]

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of the discriminators, then one of the generator; of the generator alone in the mel-only phase."""
        real = batch["waveform"]
        fake = self.modules["generator"](batch["ir"])
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
        accelerator.backward(loss)
        self.optimisers[name].step()
        self.optimisers[name].zero_grad()
        self.schedulers[name].step()
