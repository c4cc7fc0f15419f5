"""The unified vocoder, IR -> waveform, by the recipe of SSL-SAS: HiFi-GAN's losses on crops of 0.56 s.

The IR of a crop is cut from that of the whole utterance, or extracted from the crop alone as SSL-SAS does
(github.com/nii-yamagishilab/SSL-SAS). The two are not identical. Axes: B batch, D IR channels, L frames (100/s), T
samples at 16 kHz.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.corpus.audio import peak_normalise
from emotrace.representation.ir import HOP, build_ir
from emotrace.representation.spec import IRSpec, StreamSpec
from emotrace.representation.streams import Stream
from emotrace.training.data import draw_by_length, models_of, stream_class
from emotrace.training.discriminators import (
    MEL_WEIGHT,
    Discriminators,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    generator_loss,
    mel_loss,
)
from emotrace.training.loop import Rate, Recipe, TrainingRecord
from emotrace.training.normalisation import normalise_to
from emotrace.training.processes import own_slice
from emotrace.training.run import TrainingRun
from emotrace.training.unified import SLIM, DiscriminatorConfig, UnifiedConfig
from emotrace.vocoder.hifigan import HifiGan, HifiGanConfig
from emotrace.vocoder.istft import IstftConfig, IstftGenerator
from emotrace.weights import ModelFolder

SEGMENT = 8_960  # samples: 0.56 s, 56 frames
FRAMES = SEGMENT // HOP
LEARNING_RATE = 2e-4
MEL_ONLY_RATE = 1e-3  # a plain regression stands a higher rate, and a CPU has no 100,000 steps to give
DECAY = 0.999  # of both rates, each time as many segments were seen as there are utterances

CropSource = Callable[[int, int], Tensor]
"""Number of an utterance and first frame of a crop of it -> IR (D, 56) of the crop."""


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
    """SSL-SAS's own way: every stream of the IR is computed from the crop alone, at every step; many times slower.

    Attributes:
        waveforms: of the utterances, (T,) each.
        spec: the IR.
        streams: those that it is made of.
    """

    waveforms: Sequence[np.ndarray]
    spec: IRSpec
    streams: Mapping[StreamSpec, Stream]

    @classmethod
    def load(cls, waveforms: Sequence[np.ndarray], spec: IRSpec, models: ModelFolder) -> "CropFeatures":
        """With the models that the IR needs, and no others. Raises ModelError where one is not there."""
        streams = {stream: stream_class(stream).load(models, stream.layer) for stream in spec.streams}
        return cls(waveforms, spec, streams)

    def __call__(self, utterance: int, first_frame: int) -> Tensor:
        """(D, 56), extracted. Raises ValueError for a crop that is not within the utterance."""
        waveform, start = self.waveforms[utterance], first_frame * HOP
        if not 0 <= start <= len(waveform) - SEGMENT:
            raise ValueError(f"a crop of {SEGMENT} samples from {start} is not within {len(waveform)} samples")
        crop = torch.from_numpy(peak_normalise(waveform)[start : start + SEGMENT])
        return build_ir(self.spec, lambda stream: self.streams[stream](crop))


class VocoderTraining(Recipe):
    """AdamW 2e-4 for both sides, 45 x mel L1 + 2 x feature matching + LS-GAN, after `mel_only` steps of mel L1 alone.

    `generator` maps (B, D, 56) to (B, 1, 8960); a HifiGan or an IstftGenerator. The paper's own values: batch_size
    32, mel_only 0, discriminators HIFIGAN. Raises ValueError for an utterance that is shorter than a segment.
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
        torch.manual_seed(seed)
        super().__init__(generator=generator, discriminators=Discriminators(discriminators))
        self.waveforms, self.features = waveforms, features
        self.batch_size, self.mel_only = batch_size, mel_only
        for name in self.modules:
            rate = self._rate(mel_only if name == "generator" else 0)
            self.use_adamw(name, [name], rate, LEARNING_RATE, (0.8, 0.99))

    def _rate(self, mel_only: int) -> Rate:
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
        irs = torch.stack([self.features(i, first) for i, first in pairs])
        return {"ir": irs, "waveform": torch.from_numpy(audio)[:, None]}

    def _draw(self, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Utterance and first frame of every crop."""
        chosen = draw_by_length(rng, list(map(len, self.waveforms)), self.batch_size)
        return [(int(i), int(rng.integers(0, (len(self.waveforms[i]) - SEGMENT) // HOP + 1))) for i in chosen]

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of the discriminators, then one of the generator; of the generator alone in the mel-only phase."""
        real = batch["waveform"]
        fake = self.modules["generator"](batch["ir"])
        if step < self.mel_only:
            return self._mel_step(real, fake, accelerator)
        losses = self._discriminator_step(real, fake.detach(), accelerator)
        return losses | self._generator_step(real, fake, accelerator)

    def _mel_step(self, real: Tensor, fake: Tensor, accelerator: Accelerator) -> dict[str, float]:
        mel = mel_loss(real, fake)
        self.descend(MEL_WEIGHT * mel, accelerator, "generator")
        return {"mel": mel.item()}

    def _discriminator_step(self, real: Tensor, fake: Tensor, accelerator: Accelerator) -> dict[str, float]:
        discriminators = self.modules["discriminators"].requires_grad_(True)
        loss = discriminator_loss(discriminators(real), discriminators(fake))
        self.descend(loss, accelerator, "discriminators")
        return {"discriminators": loss.item()}

    def _generator_step(self, real: Tensor, fake: Tensor, accelerator: Accelerator) -> dict[str, float]:
        discriminators = self.modules["discriminators"].requires_grad_(False)
        with torch.no_grad():
            output_of_real = discriminators(real)
        output_of_fake = discriminators(fake)
        features, adversarial = feature_loss(output_of_real, output_of_fake), adversarial_loss(output_of_fake)
        losses = {"mel": mel_loss(real, fake), "features": features, "adversarial": adversarial}
        self.descend(generator_loss(*losses.values()), accelerator, "generator")
        return {name: loss.item() for name, loss in losses.items()}


def train_unified(run: TrainingRun, spec: IRSpec) -> None:
    """The unified vocoder of one IR, as the run's `steps.unified` says: small, or the paper's.

    Its snapshots are models of their own: "unified-log-mel-step300".
    """
    data, config = run.augmented_set.at_least(SEGMENT), run.steps.unified
    if config.features == "crop":
        features = CropFeatures.load(data.waveforms, spec, run.models)
    else:
        features = UtteranceFeatures(run.features.irs(data, spec))
    torch.manual_seed(run.seed)
    generator = _generator(config, features, len(data.waveforms))
    options = {"discriminators": config.discriminators, "batch_size": config.batch_size, "mel_only": config.mel_only}
    recipe = VocoderTraining(generator, data.waveforms, features, **options, seed=run.seed)
    save = partial(_save, run, spec, generator)
    options = {"needs": models_of(spec), "settings": config, "snapshots": config.snapshots, "snapshot": save}
    save(run.fit(f"unified-{spec.name}", recipe, config.steps, **options))


def _save(run: TrainingRun, spec: IRSpec, generator: IstftGenerator | HifiGan, record: TrainingRecord) -> None:
    """Save a vocoder as it is after the steps of the record: a snapshot, or, at the last step, the vocoder itself."""
    config, channels = run.steps.unified, generator.config.in_channels
    name = f"unified-{spec.name}" if record.steps == config.steps else f"unified-{spec.name}-step{record.steps}"
    purpose = f"IR {spec.name} ({channels} channels, 100 frames/s) -> waveform, in one network"
    notes = f"{config.mel_only} steps of mel L1 alone, then {config.gan} with discriminators; batch of "
    notes += f"{config.batch_size}; features of the whole {config.features}."
    run.save(name, generator.state_dict(), vars(generator.config), purpose, {"unified": record}, notes=notes)


def _generator(config: UnifiedConfig, features: CropSource, utterances: int) -> IstftGenerator | HifiGan:
    """Untrained; the iSTFT generator is normalised to the IRs of the training data (in the mode "crop", to crops)."""
    if config.generator == "hifigan":
        return HifiGan(HifiGanConfig(len(features(0, 0)), initial_channels=config.channels))
    irs = features.irs if isinstance(features, UtteranceFeatures) else [features(i, 0) for i in range(utterances)]
    generator = IstftGenerator(IstftConfig(in_channels=irs[0].shape[0], dim=config.channels))
    normalise_to(generator, ir=irs)
    return generator
