"""What the paper's profile needs before anything starts: parts that are missing, disk, and GPU hours.

The hours are an estimate from counted operations: those of a training step (fp32, the paper's sizes), times the steps,
over a GPU's peak rate and the share of it that such networks reach. Nothing of it was measured on these GPUs.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from emotrace.paths import WORK
from emotrace.released.checkpoints import CHECKPOINTS, RECOGNISERS, SOURCES, VOCODERS, MissingCheckpointError
from emotrace.study.profiles import paper
from emotrace.training.unified import PAPER
from emotrace.training.vocoder import Discriminators
from emotrace.vocoder.hifigan import SSL_SAS, HifiGan
from emotrace.weights import ModelFolder

SEGMENT = 8_960  # samples of a training crop, SSL-SAS's segment_size
UTILISATION = 0.35
GPU_TFLOPS = {"T4": 8.1, "V100": 15.7, "A100 (TF32)": 156.0, "H100 (TF32)": 495.0}
"""Peak rates by the makers' data sheets, dense; fp32 where there is no TF32."""
FEATURE_BYTES = 3 * 50 * 768 * 4 + 50 * 200 * 4 + 100 * 81 * 4  # per second: T1, T6, T12, soft units, F0, log-mel
TRAINED = tuple(sorted(set(VOCODERS) - set(SOURCES)))
"""The vocoders that the authors did not release."""


@dataclass(frozen=True)
class Source:
    """A corpus that the user has to get."""

    name: str
    use: str
    page: str
    licence: str  #: what the user accepts
    gigabytes: float  #: of the download, as the page states it; NaN where it does not
    hours: float  #: of speech whose features are kept on disk; 0 where none are
    folder: str  #: below work/corpora; there once it is imported
    command: str  #: that imports it


CORPORA = (
    Source(
        "LibriTTS train-clean-100",
        "vocoders learn from it",
        "https://www.openslr.org/60",
        "CC BY 4.0",
        7.7,
        53.8,
        "libritts/train-clean-100",
        "emotrace import libritts LibriTTS work/corpora/libritts",
    ),
    Source(
        "LibriTTS train-other-500",
        "the pool of selec-anon",
        "https://www.openslr.org/60",
        "CC BY 4.0",
        44.0,
        0.0,
        "libritts/train-other-500",
        "the same command",
    ),
    Source(
        "LibriSpeech test-clean with VoicePrivacy 2024's lists",
        "EER and WER",
        "https://www.openslr.org/12",
        "CC BY 4.0",
        0.346,
        5.4,
        "libri_test",
        "emotrace import libri-test VPC_DATA work/corpora/libri_test",
    ),
    Source(
        "IEMOCAP, full release",
        "WER and emotion",
        "https://sail.usc.edu/iemocap/",
        "by request to USC, research only",
        np.nan,
        7.0,
        "iemocap",
        "emotrace import iemocap IEMOCAP_full_release work/corpora/iemocap",
    ),
)


def missing_parts(corpora: Path, models: Path, checkpoints: Path | None = None) -> pd.DataFrame:
    """One line per corpus, checkpoint and model that is not in these folders: part, for, from, licence, gb, then."""
    absent = [source for source in CORPORA if not (corpora / source.folder / "wav.scp").is_file()]
    lines = [(one.name, one.use, one.page, one.licence, one.gigabytes, one.command) for one in absent]
    there = ModelFolder(models).names()
    for name in (*(source for model, source in SOURCES.items() if model not in there), *RECOGNISERS):
        checkpoint = CHECKPOINTS.find(name)
        try:
            checkpoint.path(checkpoints)
        except MissingCheckpointError:
            about = (checkpoint.purpose, checkpoint.page, checkpoint.licence, checkpoint.megabytes / 1e3)
            lines.append((name, *about, f"emotrace fetch {name}"))
    made = {name: ("a vocoder that the authors did not release", "your own: a training on a GPU") for name in TRAINED}
    made["pool"] = ("mean embeddings of LibriTTS train-other-500", "your own: the ECAPA-TDNN")
    for name, (use, origin) in made.items():
        if name not in there:
            lines.append((name, use, origin, "yours", np.nan, f"emotrace train {name} --profile paper"))
    return pd.DataFrame(lines, columns=["part", "for", "from", "licence", "gb", "then"])


def disk_gigabytes() -> float:
    """Downloads whose size is published, and the features of the speech that is learned from and rendered."""
    files = {file for name in (*SOURCES.values(), *RECOGNISERS) for file in CHECKPOINTS.find(name).downloads}
    sizes = [*(source.gigabytes for source in CORPORA), *(file.megabytes / 1e3 for file in files)]
    return np.nansum(sizes) + sum(source.hours for source in CORPORA) * 3600 * FEATURE_BYTES / 1e9


def describe() -> str:
    """What is missing, disk and GPU hours, as text for the terminal."""
    missing = missing_parts(WORK / "corpora", paper().models)
    lines = ["missing, in the order in which to get it:"] if len(missing) else ["nothing is missing"]
    for part in missing.itertuples(index=False):
        size = "" if pd.isna(part.gb) else f" ({part.gb:.1f} GB)"
        lines += [f"  {part.part}{size}: {part[1]}", f"    from {part[2]}; licence: {part.licence}", f"    {part.then}"]
    lines.append(f"disk: about {disk_gigabytes():.0f} GB, plus what has no published size")
    count = f"{len(TRAINED)} vocoders of {PAPER.steps:,} steps"
    lines.append(f"training {count} on one GPU, estimated from counted operations:")
    lines += [f"  {line.gpu}: {line.hours:.0f} hours" for line in gpu_hours().itertuples()]
    return "\n".join(lines) + "\n"


def gpu_hours() -> pd.DataFrame:
    """Estimated hours to train the vocoders that were not released on one GPU of each class: columns gpu, hours."""
    operations = len(TRAINED) * PAPER.steps * step_operations()
    hours = [(name, operations / (UTILISATION * tflops * 1e12) / 3600) for name, tflops in GPU_TFLOPS.items()]
    return pd.DataFrame(hours, columns=["gpu", "hours"])


def step_operations() -> float:
    """Floating-point operations of one step of GAN training at the paper's sizes.

    A backward pass counts as two forward ones. The generator runs once with gradients; the discriminators score real
    and generated speech with gradients for themselves, then both again, the generated with gradients for the generator.
    """
    generator = _forward_operations(HifiGan(SSL_SAS), SSL_SAS.in_channels, SEGMENT // SSL_SAS.hop)
    discriminators = _forward_operations(Discriminators(PAPER.discriminators), 1, SEGMENT)
    return 3 * generator + 2 * 3 * discriminators + (1 + 3) * discriminators


def _forward_operations(module: torch.nn.Module, channels: int, length: int) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta")(torch.empty(PAPER.batch_size, channels, length, device="meta"))
    return float(counter.get_total_flops())
