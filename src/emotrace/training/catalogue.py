"""Every model of the study by name, in the order in which they are trained; each needs some of those before it."""

from collections.abc import Callable
from functools import partial

from emotrace.pipeline.rows import LOG_MEL
from emotrace.representation.spec import BASELINES, IRSpec
from emotrace.training.acoustic import train_acoustic, train_gst
from emotrace.training.baselines import fit_styles, make_targets, train_codebook
from emotrace.training.ecapa import make_pool, train_ecapa
from emotrace.training.hubert import train_hubert, train_soft
from emotrace.training.joint import train_joint
from emotrace.training.run import CARD, TrainingRun
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
STUDIED_TWICE = ("none-T1", "ECAPA-T12-soft")  # by a second seed, and by a unified vocoder
LARGE = tuple(f"unified-{name}" for name in UNIFIED if name not in ("log-mel", *STUDIED_TWICE))
"""On request only: they are the paper's."""
JOINT = tuple(f"joint-{name}" for name in UNIFIED)
"""On request only, until rows of the study take them."""
WHISPER = ("soft-whisper", "units-whisper", *(f"acoustic-{name}" for name in IRS if IRS[name].linguistic == "whisper"))
"""On request only, until rows of the study take them."""
THRICE = ("none-T1", "none-T6", "ECAPA-T12-soft", "none-W1", "none-W3", "ECAPA-W6-soft")
EMOTIONAL = ("none-T1", "ECAPA-T12-soft", "none-W1", "ECAPA-W6-soft")
VARIANTS = {
    **{f"acoustic-{name}-seed{n}": partial(train_acoustic, spec=IRS[name], seed=n) for name in THRICE for n in (1, 2)},
    **{f"acoustic-{name}-emotional": partial(train_acoustic, spec=IRS[name], emotional=True) for name in EMOTIONAL},
}
"""Acoustic models by three seeds, and by speech with emotions; on request only, but for `STUDIED_TWICE`."""
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


def train(name: str, run: TrainingRun) -> None:
    """Train one model, or with "all" every one that is not finished; an interrupted training goes on where it was.

    "all" leaves out what is there on request only: `LARGE`, the unified vocoders that the study on a CPU does not look
    at, `WHISPER` and most of `VARIANTS`.

    Raises:
        KeyError: unknown name; the message lists the known ones.
        ModelError: a model that this one builds on is missing.
    """
    if name == "all":
        twice = {f"acoustic-{name}-seed1" for name in STUDIED_TWICE}
        on_request = {*LARGE, *JOINT, *WHISPER, *VARIANTS} - twice
        for model in TRAINERS:
            if model not in on_request and not (run.out / model / CARD).is_file():
                TRAINERS[model](run)
        return
    if name not in TRAINERS:
        raise KeyError(f"no model '{name}'; one of: all, {', '.join(TRAINERS)}")
    TRAINERS[name](run)
