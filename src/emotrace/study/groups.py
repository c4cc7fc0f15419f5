"""Further rows of the study, by experiment; they run when asked for: ``emotrace run --rows attribution``."""

import re
from collections.abc import Iterable
from dataclasses import replace

from emotrace.pipeline.effects import EFFECTS
from emotrace.pipeline.rows import (
    BASELINE_ROWS,
    EFFECT_MARK,
    EVERY_ENCODER,
    MCADAMS,
    VARIANT_MARK,
    WHISPER_ROWS,
    Row,
    encoder_row,
    select_rows,
    table2_rows,
)
from emotrace.representation.spec import ENCODERS
from emotrace.training.unified import JointConfig

SEED, STEP = "seed", "step"  # and a number: the variant of a row by models of another seed, or of a step of training
SEEDS = (f"{SEED}1", f"{SEED}2")
BY_ONE = "unified-"  # before the name of a row of two stages: the same by one network
CONTROLS = ("official-control", "log-mel")


def with_variant(row: Row, variant: str) -> Row:
    """The same row by another vocoder of its IR, e.g. "none-T1@seed1"."""
    return replace(row, name=f"{row.name}{VARIANT_MARK}{variant}", variant=variant)


def with_effect(row: Row, effect: str) -> Row:
    """The same row with an effect on its audio, e.g. "original~peak"."""
    return replace(row, name=f"{row.name}{EFFECT_MARK}{effect}", effect=effect)


def unified(row: Row) -> Row:
    """The same row by one network instead of two stages, e.g. "unified-none-T1"."""
    return replace(row, name=f"{BY_ONE}{row.name}", vocoder="joint")


def step_of(row: str) -> tuple[str, int]:
    """The row of the finished model, and the step: "unified-none-T1", 150 for "unified-none-T1@step150".

    A joint model begins as the two stages: "none-T1" is step 0.
    """
    name, _, variant = row.partition(VARIANT_MARK)
    if not name.startswith(BY_ONE):
        return f"{BY_ONE}{name}", 0
    return name, int(variant.removeprefix(STEP)) if variant else JointConfig().steps


def lattice(encoder: str = "hubert") -> tuple[Row, ...]:
    """The rows from the original to ECAPA-anon-T12-soft, which differ by one decision at a time."""
    last = ENCODERS[encoder].last
    contents = ((1, "none"), (last, "none"), (last, "soft"))
    rows = [encoder_row("none", *content, encoder=encoder) for content in contents]
    for anonymise in (False, True):
        rows += [encoder_row("ecapa", *content, encoder=encoder, anonymise=anonymise) for content in contents]
    return (*select_rows(["original", *CONTROLS]), *rows)


def counterparts(encoder: str) -> dict[str, str]:
    """Names of the rows of table II and of the lattice by HuBERT -> those of the same rows by another encoder."""
    own, others = ((*table2_rows(each), *lattice(each)) for each in ("hubert", encoder))
    return {row.name: other.name for row, other in zip(own, others, strict=True)}


def at_layers_of(encoder: str, text: str) -> str:
    """A text with the first, middle and last layer of an encoder for T1, T6 and T12."""
    its, hubert = ENCODERS[encoder], ENCODERS["hubert"]
    layers = {1: 1, hubert.last // 2: its.last // 2, hubert.last: its.last}
    return re.sub(r"\bT(\d+)\b", lambda found: f"{its.letter}{layers[int(found[1])]}", text)


def with_effects(row: Row, effects: Iterable[str] = tuple(EFFECTS)) -> tuple[Row, ...]:
    """A row and, after it, the row with each of these effects that its audio has room for.

    Synthesised audio fills the scale already. The quietest recordings of RAVDESS would fall below the gate of
    ITU-R BS.1770, -70 LUFS, and have no loudness any more.
    """
    impossible = ("level-down",) if row.recorded else ("peak", "level-up")
    return (row, *(with_effect(row, effect) for effect in effects if effect not in impossible))


def named(*names: str) -> tuple[Row, ...]:
    """Rows of the table, of every encoder, by name."""
    return select_rows(names, rows=EVERY_ENCODER)


SEEDED = named("none-T1", "none-T6", "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft")
SEEDED += named("none-W1", "none-W3", "ECAPA-orig-W6-soft", "ECAPA-anon-W6-soft")
"""Rows whose models are trained with three seeds."""
UNIFIED = tuple(map(unified, (*named("none-T1", "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft"), *WHISPER_ROWS)))
"""Rows by one network that learns from waveforms, as the paper has it, beside "unified-log-mel" of the table."""
FOLLOWED = (*named("unified-log-mel"), *UNIFIED[:2])
"""Rows whose training is followed, from the two stages that it begins with; the model is kept at several steps."""
EMOTIONAL = tuple(
    with_variant(row, "emotional") for row in SEEDED if row.ir.layer != ENCODERS[row.ir.linguistic].last // 2
)
"""Rows whose acoustic model has learned from emotional speech, too."""
GROUPS: dict[str, tuple[Row, ...]] = {
    "baselines": BASELINE_ROWS,
    "waveform": (MCADAMS,),
    "attribution": tuple(dict.fromkeys(row for encoder in ENCODERS for row in lattice(encoder))),
    "effects": tuple(
        changed for row in named("original", "none-T1", "ECAPA-anon-T12-soft") for changed in with_effects(row)
    ),
    "seeds": (*SEEDED, *(with_variant(row, seed) for row in SEEDED for seed in SEEDS)),
    "discrete": (*named("ECAPA-orig-W6-soft"), encoder_row("ecapa", 6, "kmeans", encoder="whisper")),
    "unified": UNIFIED,
    "snapshots": tuple(
        each
        for row in FOLLOWED
        for start in named(row.name.removeprefix(BY_ONE))
        for each in (start, *(with_variant(row, f"{STEP}{step}") for step in JointConfig().snapshots), row)
    ),
    "training": (*SEEDED, *EMOTIONAL),
    "draws": named("ECAPA-anon-T12-soft", "ECAPA-anon-W6-soft"),
}
ABOUT_EMOTION = tuple(row.name for rows in GROUPS.values() for row in rows if row not in (*EVERY_ENCODER, *UNIFIED))
"""Names of the further rows whose experiments are about the recognised emotion alone."""
VARIANTS = tuple(row.name for name in ("seeds", "training", "snapshots") for row in GROUPS[name] if row.variant)
"""Names of the rows by other models of the same recipe."""


def all_rows() -> tuple[Row, ...]:
    """Every row of the study and of its experiments, each once."""
    of_encoders = (row for encoder in ENCODERS for row in (*table2_rows(encoder), *lattice(encoder)))
    two_stage = dict.fromkeys((*EVERY_ENCODER, *(row for rows in GROUPS.values() for row in rows), *of_encoders))
    further = (unified(row) for row in two_stage if row.vocoder == "two-stage" and not row.variant and not row.effect)
    return tuple(dict.fromkeys((*two_stage, *further)))
