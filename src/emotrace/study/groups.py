"""Further rows of the study, by experiment; they run when asked for: ``emotrace run --rows attribution``."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from emotrace.pipeline.effects import EFFECTS
from emotrace.pipeline.rows import (
    ALL_ROWS,
    BASELINE_ROWS,
    EFFECT_MARK,
    MCADAMS,
    VARIANT_MARK,
    Row,
    encoder_row,
    select_rows,
    table2_rows,
)
from emotrace.representation.spec import ENCODERS
from emotrace.training.unified import SMALL

SEED = "seed"  # and its number: the variant of a row by models of another seed
CONTROLS = ("official-control", "log-mel")


def with_variant(row: Row, variant: str) -> Row:
    """The same row by another vocoder of its IR, e.g. "none-T1@seed1"."""
    return replace(row, name=f"{row.name}{VARIANT_MARK}{variant}", variant=variant)


def with_effect(row: Row, effect: str) -> Row:
    """The same row with an effect on its audio, e.g. "original~peak"."""
    return replace(row, name=f"{row.name}{EFFECT_MARK}{effect}", effect=effect)


def unified(row: Row) -> Row:
    """The same row by a unified vocoder instead of two stages, e.g. "unified-none-T1"."""
    return replace(row, name=f"unified-{row.name}", vocoder="unified")


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


@dataclass(frozen=True)
class Snapshot:
    """A unified vocoder at a step of its training: the row, the name of the vocoder's own row, the step."""

    row: Row
    of: str
    step: int

    @property
    def before_discriminators(self) -> bool:
        return self.step == SMALL.mel_only


def snapshots(row: Row) -> tuple[Snapshot, ...]:
    """A row of a unified vocoder at every snapshot of its training, e.g. "unified-none-T1@step300", and at its end."""
    kept = [Snapshot(with_variant(row, f"step{step}"), row.name, step) for step in SMALL.snapshots]
    return (*kept, Snapshot(row, row.name, SMALL.steps))


TWICE = select_rows(["none-T1", "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft"])
UNIFIED_ROWS = (*select_rows(["unified-log-mel"]), *(unified(row) for row in TWICE[:2]))
SNAPSHOTS = tuple(snapshot for row in UNIFIED_ROWS for snapshot in snapshots(row))
GROUPS: dict[str, tuple[Row, ...]] = {
    "baselines": BASELINE_ROWS,
    "waveform": (MCADAMS,),
    "attribution": lattice(),
    "effects": tuple(
        changed for row in select_rows(["original", "none-T1", "ECAPA-anon-T12-soft"]) for changed in with_effects(row)
    ),
    "seeds": (*TWICE, *(with_variant(row, f"{SEED}1") for row in TWICE)),
    "snapshots": tuple(snapshot.row for snapshot in SNAPSHOTS),
}
ABOUT_EMOTION = tuple(row.name for group in ("attribution", "effects") for row in GROUPS[group] if row not in ALL_ROWS)
"""Names of the further rows whose experiments are about the recognised emotion alone."""


def all_rows() -> tuple[Row, ...]:
    """Every row of the study and of its experiments, each once."""
    of_encoders = (row for encoder in ENCODERS for row in (*table2_rows(encoder), *lattice(encoder)))
    two_stage = dict.fromkeys((*ALL_ROWS, *(row for rows in GROUPS.values() for row in rows), *of_encoders))
    further = (unified(row) for row in two_stage if row.vocoder == "two-stage" and not row.variant and not row.effect)
    return tuple(dict.fromkeys((*two_stage, *further)))
