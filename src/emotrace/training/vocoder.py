"""The unified vocoder, IR -> waveform, by the recipe of SSL-SAS: HiFi-GAN's losses and discriminators, crops of 0.56 s.

45 x mel L1 + 2 x feature matching + least-squares GAN (Mao et al. 2017). Source: Kong, Kim and Bae 2020 (HiFi-GAN),
sections 2.3 and 2.4, equations 1 to 6.

The IR of a crop is cut from that of the whole utterance, or extracted from the crop alone as SSL-SAS does
(github.com/nii-yamagishilab/SSL-SAS). The two are not identical. Axes: B batch, D IR channels, L frames (100/s), T
samples at 16 kHz, P period.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, l1_loss, leaky_relu, pad
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from emotrace.corpus.audio import peak_normalise
from emotrace.representation import STREAMS
from emotrace.representation.ir import HOP, build_ir
from emotrace.representation.mel import ssl_sas_mel
from emotrace.representation.spec import IRSpec, StreamSpec
from emotrace.representation.streams import Stream
from emotrace.training.data import draw_by_length, models_of
from emotrace.training.loop import Rate, Recipe, own_slice
from emotrace.training.run import TrainingRun
from emotrace.training.unified import SLIM, DiscriminatorConfig
from emotrace.vocoder.hifigan import HifiGan, HifiGanConfig
from emotrace.weights import ModelFolder

SEGMENT = 8_960  # samples: 0.56 s, 56 frames
FRAMES = SEGMENT // HOP
LEARNING_RATE = 2e-4
DECAY = 0.999  # of the rate, each time as many segments were seen as there are utterances
SLOPE = 0.1
PERIODS = (2, 3, 5, 7, 11)
SCALES = 3
# kernel and stride of each convolution of a scale discriminator
SCALE_LAYERS = ((15, 1), (41, 2), (41, 2), (41, 4), (41, 4), (41, 1), (5, 1))
MEL_WEIGHT = 45.0
FEATURE_WEIGHT = 2.0

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
    """SSL-SAS's own way: every stream of the IR is computed from the crop alone, at every step; many times slower."""

    waveforms: Sequence[np.ndarray]  # (T,) each
    spec: IRSpec
    streams: Mapping[StreamSpec, Stream]  # those that the IR is made of

    @classmethod
    def load(cls, waveforms: Sequence[np.ndarray], spec: IRSpec, models: ModelFolder) -> "CropFeatures":
        """With the models that the IR needs, and no others. Raises ModelError where one is not there."""
        streams = {stream: STREAMS.find(stream.name).load(models, stream.layer) for stream in spec.streams}
        return cls(waveforms, spec, streams)

    def __call__(self, utterance: int, first_frame: int) -> Tensor:
        """(D, 56), extracted. Raises ValueError for a crop that is not within the utterance."""
        waveform, start = self.waveforms[utterance], first_frame * HOP
        if not 0 <= start <= len(waveform) - SEGMENT:
            raise ValueError(f"a crop of {SEGMENT} samples from {start} is not within {len(waveform)} samples")
        crop = torch.from_numpy(peak_normalise(waveform)[start : start + SEGMENT])
        return build_ir(self.spec, lambda stream: self.streams[stream](crop))


DiscriminatorOutput = tuple[Tensor, list[Tensor]]
"""Scores (B, any), and the feature maps of every layer."""


class Discriminators(nn.Module):
    """Waveform (B, 1, T) -> one output of each period, then of each scale."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
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


class Convolutions(nn.Module):
    """Layers of a discriminator, and the last one, which makes its scores."""

    def __init__(self, convs: Iterable[nn.Module], conv_post: nn.Module) -> None:
        super().__init__()
        self.convs, self.conv_post = nn.ModuleList(convs), conv_post

    def forward(self, hidden: Tensor) -> DiscriminatorOutput:
        """(B, 1, T ...) -> its output."""
        maps = []
        for conv in self.convs:
            hidden = leaky_relu(conv(hidden), SLOPE)
            maps.append(hidden)
        scores = self.conv_post(hidden)
        return torch.flatten(scores, 1), [*maps, scores]


class PeriodDiscriminator(Convolutions):
    """Reads every P-th sample: the waveform folded to (B, 1, T / P, P), convolved along time alone."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        strides = [3] * (len(channels) - 1) + [1]
        layers = zip((1, *channels[:-1]), channels, strides, strict=True)
        convs = [weight_norm(nn.Conv2d(i, o, (5, 1), (stride, 1), padding=(2, 0))) for i, o, stride in layers]
        super().__init__(convs, weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0))))
        self.period = period

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        """(B, 1, T) -> its output; T is filled up to a multiple of the period by reflection."""
        waveform = pad(waveform, (0, -waveform.shape[2] % self.period), mode="reflect")
        return super().forward(waveform.unflatten(2, (-1, self.period)))


class ScaleDiscriminator(Convolutions):
    """Reads the waveform at one rate, through grouped strided convolutions."""

    def __init__(self, config: DiscriminatorConfig, *, spectral: bool) -> None:
        norm, channels = spectral_norm if spectral else weight_norm, config.scale_channels
        layers = zip((1, *channels[:-1]), channels, config.scale_groups, SCALE_LAYERS, strict=True)
        convs = [
            norm(nn.Conv1d(i, o, kernel, stride, padding=kernel // 2, groups=groups))
            for i, o, groups, (kernel, stride) in layers
        ]
        super().__init__(convs, norm(nn.Conv1d(channels[-1], 1, 3, padding=1)))


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


class VocoderTraining(Recipe):
    """AdamW 2e-4 for both sides, 45 x mel L1 + 2 x feature matching + LS-GAN.

    `generator` maps (B, D, 56) to (B, 1, 8960). The paper's own values: batch_size 32, discriminators HIFIGAN. Raises
    ValueError for an utterance that is shorter than a segment.
    """

    def __init__(
        self,
        generator: nn.Module,
        waveforms: Sequence[np.ndarray],
        features: CropSource,
        *,
        discriminators: DiscriminatorConfig = SLIM,
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        if short := [i for i, waveform in enumerate(waveforms) if len(waveform) < SEGMENT]:
            raise ValueError(f"training utterance {short[0]} is shorter than a segment of {SEGMENT} samples")
        torch.manual_seed(seed)
        super().__init__(generator=generator, discriminators=Discriminators(discriminators))
        self.waveforms, self.features = waveforms, features
        self.batch_size = batch_size
        for name in self.modules:
            self.use_adamw(name, [name], self._rate(), LEARNING_RATE, (0.8, 0.99))

    def _rate(self) -> Rate:
        """Multiple of the learning rate after so many steps: a decay with every epoch."""
        steps_an_epoch = max(1, len(self.waveforms) // self.batch_size)
        return lambda step: DECAY ** (step // steps_an_epoch)

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops "ir" (B, D, 56) and "waveform" (B, 1, 8960); an utterance is drawn in proportion to its length."""
        return self.part(rng, 0, 1)

    def part(self, rng: np.random.Generator, index: int, count: int) -> dict[str, Tensor]:
        """A process makes the features of its own crops alone: in the mode "crop" they cost most of a step."""
        chosen = draw_by_length(rng, list(map(len, self.waveforms)), self.batch_size)
        # utterance and first frame of every crop
        pairs = [(int(i), int(rng.integers(0, (len(self.waveforms[i]) - SEGMENT) // HOP + 1))) for i in chosen]
        pairs = pairs[own_slice(self.batch_size, index, count)]
        audio = np.stack([self.waveforms[i][first * HOP : first * HOP + SEGMENT] for i, first in pairs])
        irs = torch.stack([self.features(i, first) for i, first in pairs])
        return {"ir": irs, "waveform": torch.from_numpy(audio)[:, None]}

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of the discriminators, then one of the generator."""
        real = batch["waveform"]
        fake = self.modules["generator"](batch["ir"])
        discriminators = self.modules["discriminators"].requires_grad_(True)
        losses = {"discriminators": discriminator_loss(discriminators(real), discriminators(fake.detach()))}
        self.descend(losses["discriminators"], accelerator, "discriminators")
        discriminators.requires_grad_(False)
        with torch.no_grad():
            output_of_real = discriminators(real)
        output_of_fake = discriminators(fake)
        losses["mel"] = mel_loss(real, fake)
        losses["features"] = feature_loss(output_of_real, output_of_fake)
        losses["adversarial"] = adversarial_loss(output_of_fake)
        self.descend(generator_loss(losses["mel"], losses["features"], losses["adversarial"]), accelerator, "generator")
        return {name: loss.item() for name, loss in losses.items()}


def train_unified(run: TrainingRun, spec: IRSpec) -> None:
    """The unified vocoder of one IR as the paper has it: a HiFi-GAN from nothing, as the run's `steps.unified` says."""
    data, config = run.augmented_set.at_least(SEGMENT), run.steps.unified
    if config.features == "crop":
        features = CropFeatures.load(data.waveforms, spec, run.models)
    else:
        features = UtteranceFeatures(run.features.irs(data, spec))
    torch.manual_seed(run.seed)
    generator = HifiGan(HifiGanConfig(len(features(0, 0)), initial_channels=config.channels))
    options = {"discriminators": config.discriminators, "batch_size": config.batch_size, "seed": run.seed}
    recipe = VocoderTraining(generator, data.waveforms, features, **options)
    record = run.fit(f"unified-{spec.name}", recipe, config.steps, needs=models_of(spec), settings=config)
    purpose = f"IR {spec.name} ({generator.config.in_channels} channels, 100 frames/s) -> waveform, in one network"
    notes = f"Batch of {config.batch_size}; features of the whole {config.features}."
    run.save(
        f"unified-{spec.name}",
        generator.state_dict(),
        vars(generator.config),
        purpose,
        {"unified": record},
        notes=notes,
    )
