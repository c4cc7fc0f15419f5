"""(b) A training step of the unified vocoder with cached features over one that extracts them from its crops.

The crops' features are those of SSL-SAS: the soft units' HuBERT and ECAPA on the batch of crops, YAAPT on each. Cached
ones are cut from whole utterances. The step after that is the same. Batches of four crops of 0.56 s, IR ECAPA-T12-soft.
Axes: B batch, D IR channels, L frames (100/s), T samples at 16 kHz.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from accelerate import Accelerator
from measurement import Ratio, Report, Settings, Timings, interleaved
from paper_models import PaperModels, Sizes, ir_channels, paper_models, paper_sizes
from torch import Tensor

from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.corpus.datadir import DataDir
from emotrace.paths import ROOT
from emotrace.representation.f0 import yaapt_f0
from emotrace.representation.ir import assemble_ir
from emotrace.representation.spec import IRSpec
from emotrace.representation.streams import evaluating
from emotrace.training.unified import HIFIGAN, SLIM, SMALL
from emotrace.training.vocoder import UtteranceFeatures, VocoderTraining
from emotrace.vocoder.hifigan import HifiGan
from emotrace.vocoder.istft import IstftConfig, IstftGenerator

CORPUS = ROOT / "data" / "phantom" / "test"
UTTERANCES = ("f1-test-sad-s1", "f1-test-sad-s2", "m1-test-neu-s1")
SPEC = IRSpec(layer=12, post="soft", speaker="ecapa")
BATCH = 4
DISCRIMINATORS = {"slim": SLIM, "full": HIFIGAN}


@dataclass(frozen=True)
class Phase:
    """One kind of step: which generator learns, and from which discriminators ("none": mel loss alone)."""

    generator: str
    discriminators: str

    @property
    def name(self) -> str:
        return f"{self.generator}, {self.discriminators} discriminators"


MEL_PHASE, GAN_PHASE = Phase("istft", "none"), Phase("istft", "slim")
PHASES = (
    *(MEL_PHASE, GAN_PHASE, Phase("istft", "full")),
    *(Phase("hifigan", "none"), Phase("hifigan", "slim"), Phase("hifigan", "full")),
)


def measure(settings: Settings) -> Report:
    """The ratio of every kind of step, and of the mean step of the recipe that a CPU trains by."""
    sizes = paper_sizes()
    models = paper_models(sizes)
    phases = PHASES[:1] if settings.quick else PHASES
    repetitions = 1 if settings.quick else settings.repetitions
    timings = {phase: phase_timings(models, sizes, phase, repetitions) for phase in phases}
    ratios = [Ratio(f"{phase.name}", cached_over_crops(timing)) for phase, timing in timings.items()]
    if not settings.quick:
        mean = mean_of_recipe(timings[MEL_PHASE], timings[GAN_PHASE])
        ratios.insert(0, Ratio("mean step of the recipe SMALL", mean, at_most=0.2))
    details = {phase.name: timing.seconds for phase, timing in timings.items()}
    recipe = {"mel_only": SMALL.mel_only, "gan": SMALL.gan, "discriminators": asdict(SMALL.discriminators)}
    return Report(
        "(b) training step with cached features over one with the crops' own",
        tuple(ratios),
        {"batch": BATCH, "seconds": details, "recipe": recipe},
    )


def cached_over_crops(timings: Timings) -> float:
    """A step with cached features over one with the crops' own: the features differ, the update is the same."""
    return timings.ratio(["cached", "update"], ["crops", "update"])


def mean_of_recipe(mel: Timings, gan: Timings) -> float:
    """The same over a whole run of the recipe SMALL: its steps of mel loss alone and those with slim discriminators."""

    def seconds(features: str) -> float:
        phases = ((SMALL.mel_only, mel), (SMALL.gan, gan))
        return sum(steps * (timings[features] + timings["update"]) for steps, timings in phases)

    return seconds("cached") / seconds("crops")


def phase_timings(models: PaperModels, sizes: Sizes, phase: Phase, repetitions: int) -> Timings:
    """Seconds of cutting cached features, of extracting them from the crops, and of the update that follows."""
    return interleaved(step_tasks(models, sizes, phase), repetitions)


def step_tasks(models: PaperModels, sizes: Sizes, phase: Phase) -> dict[str, Callable[[], object]]:
    """What is timed, of one phase."""
    data = DataDir.read(CORPUS)
    waveforms = [peak_normalise(load_audio(data[name].path)) for name in UTTERANCES]
    irs = [crop_irs(models, torch.from_numpy(waveform)[None])[0] for waveform in waveforms]
    recipe = _recipe(phase, ir_channels(sizes, SPEC), waveforms, irs)
    accelerator, rng = Accelerator(cpu=True), np.random.default_rng(0)
    batch = recipe.batch(rng)
    return {
        "cached": lambda: recipe.batch(rng),
        "crops": lambda: crop_irs(models, batch["waveform"][:, 0]),
        "update": lambda: recipe.update(batch, 0, accelerator),
    }


def crop_irs(models: PaperModels, crops: Tensor) -> Tensor:
    """IRs (B, D, L) of crops (B, T): SSL-SAS's front-ends, the networks on the batch and YAAPT on one after another."""
    with evaluating(models.soft_hubert), evaluating(models.ecapa):
        units = models.soft_head(models.soft_hubert(crops)[-1])
        speakers = models.ecapa(crops)
    return torch.stack([assemble_ir(u, yaapt_f0(c), s) for u, c, s in zip(units, crops, speakers, strict=True)])


def _recipe(phase: Phase, channels: int, waveforms: list[np.ndarray], irs: list[Tensor]) -> VocoderTraining:
    if phase.generator == "istft":
        generator = IstftGenerator(IstftConfig(in_channels=channels, dim=SMALL.channels))
    else:
        generator = HifiGan(replace(paper_sizes().vocoder, in_channels=channels))
    return VocoderTraining(
        generator,
        waveforms,
        UtteranceFeatures(irs),
        discriminators=DISCRIMINATORS.get(phase.discriminators, SLIM),
        batch_size=BATCH,
        mel_only=1 if phase.discriminators == "none" else 0,  # the update is that of step 0
    )
