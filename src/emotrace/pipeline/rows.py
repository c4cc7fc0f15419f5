"""The rows of table II, their controls, and the rows of further experiments, declaratively.

A row names its parts: the IR, who replaces the speaker, the vocoder; `variant` and `effect` make further rows of it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from emotrace.anonymizer import ANONYMIZERS, WAVEFORM_ANONYMIZERS
from emotrace.registry import Registry
from emotrace.representation.spec import BASELINES, ENCODERS, IRSpec, StreamSpec
from emotrace.vocoder import VOCODERS

VARIANT_MARK, EFFECT_MARK = "@", "~"  # in the name of a row, before its variant and its effect


@dataclass(frozen=True)
class Row:
    """One line of table II.

    Attributes:
        name: as in the table and in file names, e.g. "ECAPA-anon-T6".
        ir: the intermediate representation; None for the recording itself, or a change of its waveform.
        vocoder: what makes a waveform of the IR, among `VOCODERS`; "" where there is no IR.
        anonymizer: what replaces the speaker, among `ANONYMIZERS`, or without an IR among `WAVEFORM_ANONYMIZERS`;
            "" where nothing does.
        variant: which of several vocoders of the IR, e.g. "seed1" or "step400"; the last part of its model's name.
        effect: what is changed in the finished audio, among `effects.EFFECTS`.

    Raises:
        ValueError: parts that do not fit together, or a name that no part has.
    """

    name: str
    ir: IRSpec | None = None
    vocoder: str = ""
    anonymizer: str = ""
    variant: str = ""
    effect: str = ""

    def __post_init__(self) -> None:
        if (self.ir is None) != (not self.vocoder):
            raise ValueError(f"row {self.name}: the vocoder {self.vocoder!r} and the IR {self.ir} do not fit")
        for part, known in ((self.vocoder, VOCODERS), (self.anonymizer, self.anonymizers)):
            if part and part not in known:
                raise ValueError(f"row {self.name}: unknown {known.kind} {part!r}; there are: {', '.join(known)}")
        if self.anonymizer and self.ir is not None and self.ir.speaker == "none":
            raise ValueError(f"row {self.name}: there is no speaker in its IR to replace")
        if self.ir is not None and self.ir.speaker == "one-hot" and not self.anonymizer:
            raise ValueError(f"row {self.name}: only training speakers have a number")

    @property
    def recorded(self) -> bool:
        """Whether the row's audio is the recordings, unchanged."""
        return self.ir is None and not self.anonymizer and not self.effect

    @property
    def anonymizers(self) -> Registry:
        """Where its anonymizer is found: among those of IRs, or without an IR among those of waveforms."""
        return WAVEFORM_ANONYMIZERS if self.ir is None else ANONYMIZERS

    @property
    def before(self) -> "Row":
        """The same row without its effect."""
        return replace(self, name=self.name.partition(EFFECT_MARK)[0], effect="")

    @property
    def decoder(self) -> str:
        """What the models of the vocoder are called by: the IR and the variant, e.g. "none-T1-seed1"."""
        return "-".join([self.ir.name, *([self.variant] if self.variant else [])])

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """What it reads of an utterance; a replaced speaker's own embedding only where that is the source."""
        if self.ir is None:
            return ()
        if not self.anonymizer:
            return self.ir.streams
        source = [StreamSpec(name) for name in ANONYMIZERS.find(self.anonymizer).streams]
        kept = replace(self.ir, speaker="none").streams
        return tuple(dict.fromkeys((*kept, *source)))

    @property
    def speaker(self) -> str:
        """The column "speaker" of table II: "none", "ECAPA-orig", ...; the row's name where there is no such thing."""
        if self.ir is None or self.ir.is_spectrogram or self in BASELINE_ROWS:
            return self.name
        if self.ir.speaker == "none":
            return "none"
        return f"{self.ir.speaker.upper()}-{'anon' if self.anonymizer else 'orig'}"

    def configuration(self) -> dict[str, Any]:
        """All that defines the row but its name, as JSON can write it; a part of every key."""
        return {name: value for name, value in asdict(self).items() if name != "name"}


REPLACED_BY = {
    "ecapa": "selec-anon",
    "gst": "sampled-styles",
    "prompt": "target-prompts",
    "one-hot": "target-numbers",
}
"""Which anonymizer the rows of the study take, by what stands for the speaker in their IR."""


def encoder_row(
    speaker: str, layer: int, post: str = "none", *, encoder: str = "hubert", anonymise: bool = False
) -> Row:
    """A row of table II: embedding "none", "ecapa" or "gst", layer n of T_n, "none" or "soft" after it, two stages."""
    ir = IRSpec(linguistic=encoder, layer=layer, post=post, speaker=speaker)
    return Row(_name(ir, anonymise), ir, "two-stage", REPLACED_BY[speaker] if anonymise else "")


def _name(ir: IRSpec, anonymise: bool) -> str:
    return ir.called("none" if ir.speaker == "none" else f"{ir.speaker.upper()}-{'anon' if anonymise else 'orig'}")


def table2_rows(encoder: str = "hubert") -> tuple[Row, ...]:
    """The seven rows of table II by an encoder's first, middle and last layer."""
    last = ENCODERS[encoder].last
    contents = (("none", 1), ("ecapa", last // 2), ("ecapa", last, "soft"), ("gst", last, "soft"), ("none", last // 2))
    own = [encoder_row(*content, encoder=encoder) for content in contents]
    return (*own, *(encoder_row(*content, encoder=encoder, anonymise=True) for content in contents[1:3]))


LOG_MEL = IRSpec(linguistic="log-mel", layer=0, f0=False)
UNIVERSAL_MEL = IRSpec(linguistic="universal-mel", layer=0, f0=False)
STUDIED_LAYER = 6

BASELINE_ROWS = tuple(Row(name, ir, "two-stage", REPLACED_BY[ir.speaker]) for name, ir in BASELINES.items())
"""The representations of VoicePrivacy's B3, B4 and B5; the real systems' values are in the paper's table."""

ALL_ROWS: tuple[Row, ...] = (
    Row("original"),
    Row("official-control", UNIVERSAL_MEL, "universal"),
    Row("log-mel", LOG_MEL, "two-stage"),
    Row("unified-log-mel", LOG_MEL, "joint"),
    *table2_rows(),
    *BASELINE_ROWS,
)
ORIGINAL = ALL_ROWS[0]
WHISPER_ROWS = table2_rows("whisper")
"""The same by another encoder, which is supervised; no rows of table II."""
MCADAMS = Row("McAdams", anonymizer="mcadams")
"""VoicePrivacy's baseline B2; no row of table II."""
EVERY_ENCODER = (*ALL_ROWS, *WHISPER_ROWS, MCADAMS)
"""Table II by every encoder, its controls, and McAdams."""


def with_layer(rows: Iterable[Row], layer: int) -> tuple[Row, ...]:
    """The same rows with T6 replaced by T<layer>; variants, effects and rows of names of their own stay as they are.

    Duplicates are dropped.
    """
    return tuple(dict.fromkeys(_at_layer(row, layer) for row in rows))


def _at_layer(row: Row, layer: int) -> Row:
    if row.ir is None or row.ir.linguistic != "hubert" or row.ir.layer != STUDIED_LAYER or row.ir.post != "none":
        return row
    if row.name != _name(row.ir, bool(row.anonymizer)):
        return row
    ir = replace(row.ir, layer=layer)
    return replace(row, name=_name(ir, bool(row.anonymizer)), ir=ir)


PAPER_ROWS = tuple(
    replace(row, vocoder="unified") if row.vocoder == "two-stage" else row
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
