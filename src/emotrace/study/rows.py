"""The rows of table II, their controls, and the rows of further experiments, declaratively.

A row is an IR, a route to a waveform, anonymised or not; `variant` and `effect` make further rows of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from emotrace.representation.ir import BASELINES, IRSpec

VARIANT_MARK, EFFECT_MARK = "@", "~"  # in the name of a row, before its variant and its effect


class Route(StrEnum):
    """How a row's waveform is made."""

    ORIGINAL = "original"  # not at all: the recording itself
    COPY = "copy"  # the official HiFi-GAN on the recording's own log-mel
    TWO_STAGE = "two-stage"  # IR -> acoustic model -> log-mel -> official HiFi-GAN
    UNIFIED = "unified"  # IR -> our vocoder


@dataclass(frozen=True)
class Row:
    """One line of table II.

    Attributes:
        name: as in the table and in file names, e.g. "ECAPA-anon-T6".
        route: how the waveform is made.
        ir: the intermediate representation; None where nothing is disentangled.
        anonymise: replace what stands for the speaker in the IR: ECAPA embeddings by selec-anon's, GST embeddings by
            sampled ones, acoustic prompts and speaker numbers by those of a training speaker.
        variant: which of several vocoders of the IR, e.g. "seed1" or "step400"; the last part of its model's name.
        effect: what is changed in the finished audio, by its name in `effects.EFFECTS`.
    """

    name: str
    route: Route
    ir: IRSpec | None = None
    anonymise: bool = False
    variant: str = ""
    effect: str = ""

    def __post_init__(self) -> None:
        if (self.ir is None) != (self.route in (Route.ORIGINAL, Route.COPY)):
            raise ValueError(f"row {self.name}: the route {self.route} and the IR {self.ir} do not fit")
        if self.anonymise and (self.ir is None or self.ir.speaker == "none"):
            raise ValueError(f"row {self.name}: there is no speaker in its IR to replace")
        if self.ir is not None and self.ir.speaker == "one-hot" and not self.anonymise:
            raise ValueError(f"row {self.name}: only training speakers have a number")

    @property
    def recorded(self) -> bool:
        """Whether the row's audio is the recordings, unchanged."""
        return self.route is Route.ORIGINAL and not self.effect

    @property
    def vocoder(self) -> str:
        """Name of the model that turns the IR into a log-mel or a waveform. Raises ValueError where there is no IR."""
        if self.ir is None:
            raise ValueError(f"row {self.name} has no IR and no vocoder of ours")
        kind = "unified" if self.route is Route.UNIFIED else "acoustic"
        return "-".join([kind, self.ir.name, *([self.variant] if self.variant else [])])

    @property
    def before(self) -> "Row":
        """The same row without its effect."""
        return replace(self, name=self.name.partition(EFFECT_MARK)[0], effect="")

    @property
    def speaker(self) -> str:
        """The column "speaker" of table II: "none", "ECAPA-orig", ...; the row's name where there is no such thing."""
        if self.ir is None or self.ir.linguistic != "hubert" or self in BASELINE_ROWS:
            return self.name
        if self.ir.speaker == "none":
            return "none"
        return f"{self.ir.speaker.upper()}-{'anon' if self.anonymise else 'orig'}"

    def configuration(self) -> dict[str, Any]:
        """All that defines the row, as JSON can write it; a part of every key."""
        ir = None if self.ir is None else {name: getattr(self.ir, name) for name in self.ir.__dataclass_fields__}
        more = {name: value for name in ("variant", "effect") if (value := getattr(self, name))}
        return {"route": str(self.route), "ir": ir, "anonymise": self.anonymise} | more


def hubert_row(speaker: str, layer: int, post: str = "none", *, anonymise: bool = False) -> Row:
    """A row of table II: embedding "none", "ecapa" or "gst", layer n of T_n, "none" or "soft" after it, two stages."""
    ir = IRSpec(linguistic="hubert", layer=layer, post=post, speaker=speaker)
    return Row(_name(ir, anonymise), Route.TWO_STAGE, ir, anonymise)


def _name(ir: IRSpec, anonymise: bool) -> str:
    source = [] if ir.speaker == "none" else ["anon" if anonymise else "orig"]
    post = [] if ir.post == "none" else [ir.post]
    return "-".join([ir.speaker if ir.speaker == "none" else ir.speaker.upper(), *source, f"T{ir.layer}", *post])


LOG_MEL = IRSpec(linguistic="log-mel", layer=0, post="none", speaker="none", f0=False)
STUDIED_LAYER = 6

BASELINE_ROWS = tuple(Row(name, Route.TWO_STAGE, ir, anonymise=True) for name, ir in BASELINES.items())
"""The representations of VoicePrivacy's B3, B4 and B5; the real systems' values are in the paper's table."""

ALL_ROWS: tuple[Row, ...] = (
    Row("original", Route.ORIGINAL),
    Row("official-control", Route.COPY),
    Row("log-mel", Route.TWO_STAGE, LOG_MEL),
    Row("unified-log-mel", Route.UNIFIED, LOG_MEL),
    hubert_row("none", 1),
    hubert_row("ecapa", 6),
    hubert_row("ecapa", 12, "soft"),
    hubert_row("gst", 12, "soft"),
    hubert_row("none", 6),
    hubert_row("ecapa", 6, anonymise=True),
    hubert_row("ecapa", 12, "soft", anonymise=True),
    *BASELINE_ROWS,
)


def with_layer(rows: Iterable[Row], layer: int) -> tuple[Row, ...]:
    """The same rows with T6 replaced by T<layer>; those at other layers, variants and effects stay as they are.

    Duplicates are dropped.
    """
    return tuple(dict.fromkeys(_at_layer(row, layer) for row in rows))


def _at_layer(row: Row, layer: int) -> Row:
    if row.ir is None or row.ir.linguistic != "hubert" or row.ir.layer != STUDIED_LAYER or row.ir.post != "none":
        return row
    if row.variant or row.effect:
        return row
    ir = replace(row.ir, layer=layer)
    return Row(_name(ir, row.anonymise), row.route, ir, row.anonymise)


PAPER_ROWS = tuple(
    replace(row, route=Route.UNIFIED) if row.route is Route.TWO_STAGE else row
    for row in ALL_ROWS
    if row.ir != LOG_MEL and row not in BASELINE_ROWS
)
"""The rows as the paper makes them: every IR goes through a vocoder of its own."""


def select_rows(
    names: Iterable[str] | None = None, *, layer: int = STUDIED_LAYER, rows: tuple[Row, ...] = ALL_ROWS
) -> tuple[Row, ...]:
    """Of ``rows``, those named (all by default), T6 replaced by T<layer>; "none-T6" and "none-T3" both work with 3.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
    """
    if names is None:
        return with_layer(rows, layer)
    known = {row.name: row for row in (*rows, *with_layer(rows, layer))}
    names = list(names)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"unknown row {', '.join(unknown) or '(none given)'}; known rows: {', '.join(known)}")
    return with_layer((known[name] for name in names), layer)
