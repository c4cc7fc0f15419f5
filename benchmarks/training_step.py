"""(b) A training step of the unified vocoder with cached features over one that extracts them from its crops.

The crops' features are those of SSL-SAS: the soft units' HuBERT and ECAPA on the batch of crops, YAAPT on each. Cached
ones are cut from whole utterances. The step after that is the same. Batches of four crops of 0.56 s, IR ECAPA-T12-soft.
Axes: B batch, D IR channels, L frames (100/s), T samples at 16 kHz.
"""

from collections.abc import Callable
from dataclasses import asdict, replace

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
from emotrace.training.unified import HIFIGAN, SLIM
from emotrace.training.vocoder import UtteranceFeatures, VocoderTraining
from emotrace.vocoder.hifigan import HifiGan

CORPUS = ROOT / "data" / "phantom" / "test"
UTTERANCES = ("f1-test-sad-s1", "f1-test-sad-s2", "m1-test-neu-s1")
SPEC = IRSpec(layer=12, post="soft", speaker="ecapa")
BATCH = 4
DISCRIMINATORS = {"slim": SLIM, "full": HIFIGAN}


def measure(settings: Settings) -> Report:
    """The ratio of a step with each kind of discriminators."""
    sizes = paper_sizes()
    models = paper_models(sizes)
    kinds = list(DISCRIMINATORS)[:1] if settings.quick else list(DISCRIMINATORS)
    repetitions = 1 if settings.quick else settings.repetitions
    timings = {kind: kind_timings(models, sizes, kind, repetitions) for kind in kinds}
    ratios = [Ratio(f"{kind} discriminators", cached_over_crops(timing)) for kind, timing in timings.items()]
    details = {kind: timing.seconds for kind, timing in timings.items()}
    recipe = {kind: asdict(DISCRIMINATORS[kind]) for kind in kinds}
    return Report(
        "(b) training step with cached features over one with the crops' own",
        tuple(ratios),
        {"batch": BATCH, "seconds": details, "recipe": recipe},
    )


def cached_over_crops(timings: Timings) -> float:
    """A step with cached features over one with the crops' own: the features differ, the update is the same."""
    return timings.ratio(["cached", "update"], ["crops", "update"])


def kind_timings(models: PaperModels, sizes: Sizes, kind: str, repetitions: int) -> Timings:
    """Seconds of cutting cached features, of extracting them from the crops, and of the update that follows."""
    return interleaved(step_tasks(models, sizes, kind), repetitions)


def step_tasks(models: PaperModels, sizes: Sizes, kind: str) -> dict[str, Callable[[], object]]:
    """What is timed, by kind of discriminators."""
    data = DataDir.read(CORPUS)
    waveforms = [peak_normalise(load_audio(data[name].path)) for name in UTTERANCES]
    irs = [crop_irs(models, torch.from_numpy(waveform)[None])[0] for waveform in waveforms]
    recipe = _recipe(kind, ir_channels(sizes, SPEC), waveforms, irs)
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


def _recipe(kind: str, channels: int, waveforms: list[np.ndarray], irs: list[Tensor]) -> VocoderTraining:
    generator = HifiGan(replace(paper_sizes().vocoder, in_channels=channels))
    options = {"discriminators": DISCRIMINATORS[kind], "batch_size": BATCH}
    return VocoderTraining(generator, waveforms, UtteranceFeatures(irs), **options)
