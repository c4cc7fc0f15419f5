"""What the paper's profile needs before anything starts: parts that are missing, disk, and GPU hours.

The hours are an estimate from counted operations: those of a training step (fp32, the paper's sizes), times the steps,
over a GPU's peak rate and the share of it that such networks reach. Nothing of it was measured on these GPUs.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from emotrace.released.adopt import EVALUATION, SOURCES
from emotrace.released.checkpoint import Checkpoint, MissingCheckpointError
from emotrace.released.registry import CHECKPOINTS
from emotrace.study.profiles import Profile, paper
from emotrace.paths import ROOT
from emotrace.pipeline.rows import Route
from emotrace.training.discriminators import PAPER, Discriminators
from emotrace.vocoder.hifigan import SSL_SAS, HifiGan

STEPS, BATCH, SEGMENT, HOP = 100_000, 32, 8_960, 160  # study section 5
UTILISATION = 0.35
GPU_TFLOPS = {"T4": 8.1, "V100": 15.7, "A100 (TF32)": 156.0, "H100 (TF32)": 495.0}
"""Peak rates by the makers' data sheets, dense; fp32 where there is no TF32."""
FEATURE_BYTES = 3 * 50 * 768 * 4 + 50 * 200 * 4 + 100 * 81 * 4  # per second: T1, T6, T12, soft units, F0, log-mel


@dataclass(frozen=True)
class Source:
    """A corpus that the user has to get.

    Attributes:
        name, use: what it is, and for what.
        page, licence: where it is, and what the user accepts.
        gigabytes: of the download, as the page states it; None where it does not.
        hours: of speech whose features are kept on disk; 0 where none are.
        folder: below work/corpora; there once it is imported.
        command: that imports it.
    """

    name: str
    use: str
    page: str
    licence: str
    gigabytes: float | None
    hours: float
    folder: str
    command: str


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
        None,
        7.0,
        "iemocap",
        "emotrace import iemocap IEMOCAP_full_release work/corpora/iemocap",
    ),
)


def missing_parts(profile: Profile, root: Path, checkpoints: Path | None = None) -> pd.DataFrame:
    """One line per corpus, checkpoint and model that is not there: part, for, from, licence, gb, then."""
    lines = [_corpus_line(source) for source in CORPORA if not (root / source.folder / "wav.scp").is_file()]
    adopted = set(_adopted(profile))
    for model, name in SOURCES.items():
        if model not in adopted and not _is_there(CHECKPOINTS[name], checkpoints):
            lines.append(_checkpoint_line(CHECKPOINTS[name], f"emotrace fetch {name}"))
    for name in EVALUATION:
        if not _is_there(CHECKPOINTS[name], checkpoints):
            lines.append(_checkpoint_line(CHECKPOINTS[name], f"emotrace fetch {name}"))
    for model in sorted(vocoders(profile) - adopted - set(SOURCES)):
        lines.append(_own_line(model, "a vocoder that the authors did not release", "a training on a GPU"))
    if "pool" not in adopted:
        lines.append(_own_line("pool", "mean embeddings of LibriTTS train-other-500", "the ECAPA-TDNN"))
    return pd.DataFrame(lines, columns=["part", "for", "from", "licence", "gb", "then"])


def gpu_hours(vocoders: int) -> pd.DataFrame:
    """Estimated hours to train so many vocoders on one GPU of each class: columns gpu, hours."""
    operations = vocoders * STEPS * step_operations()
    hours = {name: operations / (UTILISATION * tflops * 1e12) / 3600 for name, tflops in GPU_TFLOPS.items()}
    return pd.DataFrame({"gpu": list(hours), "hours": list(hours.values())})


def disk_gigabytes() -> float:
    """Downloads whose size is published, and the features of the speech that is learned from and rendered."""
    downloads = sum(source.gigabytes or 0.0 for source in CORPORA)
    downloads += sum((file.megabytes or 0.0) / 1e3 for name in _checkpoints() for file in CHECKPOINTS[name].downloads)
    return downloads + sum(source.hours for source in CORPORA) * 3600 * FEATURE_BYTES / 1e9


def describe(root: Path = ROOT) -> str:
    """What is missing, disk and GPU hours, as text for the terminal."""
    profile = paper(root)
    missing = missing_parts(profile, root / "work" / "corpora")
    lines = ["missing, in the order in which to get it:"] if len(missing) else ["nothing is missing"]
    for part in missing.itertuples(index=False):
        size = "" if pd.isna(part.gb) else f" ({part.gb:.1f} GB)"
        lines += [f"  {part.part}{size}: {part[1]}", f"    from {part[2]}; licence: {part.licence}", f"    {part.then}"]
    own = len(vocoders(profile) - set(SOURCES))
    lines.append(f"disk: about {disk_gigabytes():.0f} GB, plus what has no published size")
    lines.append(f"training {own} vocoders of {STEPS:,} steps on one GPU, estimated from counted operations:")
    lines += [f"  {line.gpu}: {line.hours:.0f} hours" for line in gpu_hours(own).itertuples()]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1)
def step_operations() -> float:
    """Floating-point operations of one step of GAN training at the paper's sizes.

    A backward pass counts as two forward ones. The generator runs once with gradients; the discriminators judge real
    and generated speech with gradients for themselves, then both again, the generated with gradients for the generator.
    """
    generator = _forward(HifiGan(SSL_SAS), torch.empty(BATCH, SSL_SAS.in_channels, SEGMENT // HOP, device="meta"))
    judged = _forward(Discriminators(PAPER), torch.empty(BATCH, 1, SEGMENT, device="meta"))
    return 3 * generator + 2 * 3 * judged + (1 + 3) * judged


def _forward(module: torch.nn.Module, inputs: torch.Tensor) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta")(inputs)
    return float(counter.get_total_flops())


def vocoders(profile: Profile) -> set[str]:
    """Names of the models that are vocoders of their own."""
    return {f"unified-{row.ir.name}" for row in profile.rows if row.route is Route.UNIFIED}


def _checkpoints() -> set[str]:
    return {*SOURCES.values(), *EVALUATION}


def _adopted(profile: Profile) -> list[str]:
    folder = profile.models
    return [path.parent.name for path in folder.glob("*/model.safetensors")] if folder else []


def _is_there(checkpoint: Checkpoint, folder: Path | None) -> bool:
    try:
        checkpoint.path(folder)
    except MissingCheckpointError:
        return False
    return True


def _corpus_line(source: Source) -> dict[str, object]:
    size = float("nan") if source.gigabytes is None else source.gigabytes
    line = {"part": source.name, "for": source.use, "from": source.page, "licence": source.licence}
    return line | {"gb": size, "then": source.command}


def _checkpoint_line(checkpoint: Checkpoint, command: str) -> dict[str, object]:
    sizes = [download.megabytes for download in checkpoint.downloads]
    size = float("nan") if None in sizes else sum(sizes) / 1e3
    line = {"part": checkpoint.name, "for": checkpoint.purpose, "from": checkpoint.page, "licence": checkpoint.licence}
    return line | {"gb": size, "then": command}


def _own_line(model: str, use: str, source: str) -> dict[str, object]:
    line = {"part": model, "for": use, "from": f"your own: {source}", "licence": "yours"}
    return line | {"gb": float("nan"), "then": f"emotrace train {model} --profile paper"}
