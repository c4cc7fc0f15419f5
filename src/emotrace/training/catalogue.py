"""Every model of the study by name, in the order in which they are trained; each needs some of those before it."""

from collections.abc import Callable
from functools import partial

from emotrace.representation.ir import BASELINES
from emotrace.training.baselines import fit_styles, make_targets, train_codebook
from emotrace.training.decoders import IRS, train_acoustic, train_gst, train_unified
from emotrace.training.export import CARD
from emotrace.training.front_ends import make_pool, train_ecapa, train_hubert, train_soft
from emotrace.training.workshop import Workshop

UNIFIED = tuple(name for name in IRS if name not in BASELINES)
STUDIED_TWICE = ("none-T1", "ECAPA-T12-soft")  # by a second seed, and by a unified vocoder
LARGE = tuple(f"unified-{name}" for name in UNIFIED if name not in ("log-mel", *STUDIED_TWICE))
"""On request only: they are the paper's."""
TRAINERS: dict[str, Callable[[Workshop], None]] = {
    "hubert": train_hubert,
    "soft": train_soft,
    "ecapa": train_ecapa,
    "pool": make_pool,
    "gst": train_gst,
    "units": partial(train_codebook, name="units"),
    "vq": partial(train_codebook, name="vq"),
    "styles": fit_styles,
    "targets": make_targets,
    **{f"acoustic-{name}": partial(train_acoustic, name=name) for name in IRS},
    **{f"acoustic-{name}-seed1": partial(train_acoustic, name=name, seed=1) for name in STUDIED_TWICE},
    **{f"unified-{name}": partial(train_unified, name=name) for name in UNIFIED},
}


def train(name: str, workshop: Workshop) -> None:
    """Train one model, or with "all" every one that is not finished; an interrupted training goes on where it was.

    "all" leaves out `LARGE`, the unified vocoders that the study on a CPU does not look at.

    Raises:
        KeyError: unknown name; the message lists the known ones.
        ModelError: a model that this one builds on is missing.
    """
    if name == "all":
        for model in TRAINERS:
            if model not in LARGE and not (workshop.out / model / CARD).is_file():
                TRAINERS[model](workshop)
        return
    if name not in TRAINERS:
        raise KeyError(f"no model '{name}'; one of: all, {', '.join(TRAINERS)}")
    TRAINERS[name](workshop)
