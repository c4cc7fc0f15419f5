"""Every model of the study by name, in the order in which they are trained; each needs some of those before it."""

from collections.abc import Callable
from functools import partial

from emotrace.pipeline.rows import LOG_MEL
from emotrace.representation.spec import BASELINES, IRSpec
from emotrace.training.acoustic import train_acoustic, train_gst
from emotrace.training.baselines import fit_styles, make_targets, train_codebook
from emotrace.training.data import COPY_SPEEDS
from emotrace.training.ecapa import make_pool, train_ecapa
from emotrace.training.hubert import train_hubert, train_soft
from emotrace.training.joint import train_joint
from emotrace.training.run import TrainingRun
from emotrace.training.soft_head import train_soft_head
from emotrace.training.vocoder import train_unified

IRS = {
    spec.name: spec
    for spec in (
        LOG_MEL,
        *(IRSpec(layer=layer, speaker=speaker) for layer in (1, 3, 6, 12) for speaker in ("none", "ecapa")),
        *(IRSpec(layer=12, post="soft", speaker=speaker) for speaker in ("none", "ecapa", "gst")),
        *(IRSpec("whisper", layer, speaker=speaker) for layer in (1, 3, 6) for speaker in ("none", "ecapa")),
        *(IRSpec("whisper", 6, "soft", speaker) for speaker in ("none", "ecapa", "gst")),
        *(IRSpec("whisper", 6, "kmeans", speaker) for speaker in ("none", "ecapa")),
        *BASELINES.values(),
    )
}
"""The IRs that have an acoustic model, by name."""
UNIFIED = tuple(name for name in IRS if name not in BASELINES)
THRICE = ("none-T1", "none-T6", "ECAPA-T12-soft", "none-W1", "none-W3", "ECAPA-W6-soft")
EMOTIONAL = ("none-T1", "ECAPA-T12-soft", "none-W1", "ECAPA-W6-soft")
FIRST = ("hubert", "soft", "units", "vq")
"""HuBERT-mini and what is made of it: they have learned from few speakers, and from copies of their speech."""
VARIANTS = {
    **{f"acoustic-{name}-seed{n}": partial(train_acoustic, spec=IRS[name], seed=n) for name in THRICE for n in (1, 2)},
    **{f"acoustic-{name}-emotional": partial(train_acoustic, spec=IRS[name], emotional=True) for name in EMOTIONAL},
}
"""Acoustic models by two further seeds, and by speech with emotions."""
TRAINERS: dict[str, Callable[[TrainingRun], None]] = {
    "hubert": train_hubert,
    "soft": train_soft,
    "ecapa": train_ecapa,
    "pool": make_pool,
    "gst": train_gst,
    "units": partial(train_codebook, name="units"),
    "vq": partial(train_codebook, name="vq"),
    "soft-whisper": train_soft_head,
    "units-whisper": partial(train_codebook, name="units-whisper"),
    "styles": fit_styles,
    "targets": make_targets,
    **{f"acoustic-{name}": partial(train_acoustic, spec=spec) for name, spec in IRS.items()},
    **VARIANTS,
    **{f"unified-{name}": partial(train_unified, spec=IRS[name]) for name in UNIFIED},
    **{f"joint-{name}": partial(train_joint, spec=IRS[name]) for name in UNIFIED},
}


def speech_of(name: str) -> tuple[str, ...]:
    """What a small model learns from: data directories below work/corpora."""
    if name in FIRST:
        return ("librispeech/train", "ravdess/train")
    if name == "pool":
        return ("librispeech_251/test",)
    emotional = ("ravdess/train-01", "nemo") if name.endswith("-emotional") else ()
    return ("librispeech_248/test", "phantom/train", *emotional)


def copies_of(name: str) -> tuple[float, ...]:
    """The speeds at which a small model learns from its speech once more."""
    return COPY_SPEEDS if name in FIRST else ()


def train(name: str, run: TrainingRun) -> None:
    """Train one model; an interrupted training goes on where it was.

    Raises:
        KeyError: unknown name; the message lists the known ones.
        ModelError: a model that this one builds on is missing.
    """
    if name not in TRAINERS:
        raise KeyError(f"no model '{name}'; one of: {', '.join(TRAINERS)}")
    TRAINERS[name](run)
