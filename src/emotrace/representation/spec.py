"""What an intermediate representation is made of, in words: nothing here computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from emotrace.representation import STREAMS


@dataclass(frozen=True)
class Encoder:
    """A network whose layers are linguistic features.

    Attributes:
        label: what tables and figures call it.
        letter: of its layers in names, as in "none-T1".
        last: the number of its last layer, of which its soft units are made.
        soft: the stream of its soft units.
        codebooks: name of the model folder with its codes, by the post-processing of an IR.
    """

    label: str
    letter: str
    last: int
    soft: str
    codebooks: Mapping[str, str]


ENCODERS = MappingProxyType(
    {
        "hubert": Encoder("HuBERT-mini", "T", 12, "soft", MappingProxyType({"kmeans": "units", "vq": "vq"})),
        "whisper": Encoder("Whisper base", "W", 6, "soft-whisper", MappingProxyType({"kmeans": "units-whisper"})),
    }
)
"""Every encoder by the stream of its layers. Another stream has layers T and no post-processing."""
PLAIN = Encoder("", "T", 0, "", MappingProxyType({}))
DISCRETE = ("kmeans", "vq")
POST = ("none", "soft", *DISCRETE)
NO_STREAM = ("none", "one-hot")
"""What stands for the speaker and is no stream: nothing, or the number of a training speaker."""
SPECTROGRAMS = ("log-mel", "universal-mel")
"""Streams that are an IR by themselves: the controls, with neither F0 nor speaker."""


class IRError(ValueError):
    """Features that do not make an IR."""


@dataclass(frozen=True)
class StreamSpec:
    """Which stream: its name among `STREAMS` and, of an encoder, the number of the layer."""

    name: str
    layer: int | None = None

    def __str__(self) -> str:
        return self.name if self.layer is None else f"{self.name}-{letter(self.name)}{self.layer}"


@dataclass(frozen=True)
class IRSpec:
    """What an IR is made of: one cell of the paper's table II, or a spectrogram as control.

    Attributes:
        linguistic: an encoder among `STREAMS`, or one of SPECTROGRAMS.
        layer: n of the encoder's T_n.
        post: what is done to the layer: "none", "soft" for the soft units in its place, "kmeans" or "vq".
        speaker: what stands for the speaker: "none", a stream of one vector, or "one-hot".
        f0: whether F0 is a channel.
        segments: instead of F0 by frame, F0 and energy by segment (`prosody`), for discrete units as long as phones.

    Raises:
        IRError: anything else.
    """

    linguistic: str = "hubert"
    layer: int = 12
    post: str = "none"
    speaker: str = "none"
    f0: bool = True
    segments: bool = False

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("linguistic", self.linguistic, STREAMS),
            ("post", self.post, POST),
            ("speaker", self.speaker, (*NO_STREAM, *STREAMS)),
        ):
            if value not in choices:
                raise IRError(f"IR {name} {value!r}: one of {', '.join(choices)}")
        if self.layer < 0:
            raise IRError(f"IR layer {self.layer}: 0 or more")
        if self.is_spectrogram and (self.post, self.speaker, self.f0) != ("none", "none", False):
            raise IRError(f"the control {self.linguistic} has no post-processing, speaker or F0")
        if self.post == "soft" and (not self.encoder.soft or self.layer != self.encoder.last):
            raise IRError(f"soft units are made of {_last_layers()}, not of {self.linguistic} {self.layer}")
        if self.is_discrete and self.post not in self.encoder.codebooks:
            raise IRError(f"{self.linguistic} has no codes {self.post}")
        if self.segments and not (self.f0 and self.is_discrete):
            raise IRError(f"prosody by segment takes F0 and discrete units ({', '.join(DISCRETE)})")

    @property
    def encoder(self) -> Encoder:
        """What its linguistic stream is a layer of."""
        return ENCODERS.get(self.linguistic, PLAIN)

    @property
    def is_spectrogram(self) -> bool:
        return self.linguistic in SPECTROGRAMS

    @property
    def is_discrete(self) -> bool:
        return self.post in DISCRETE

    @property
    def codebook(self) -> str:
        """Name of the model folder with its codes; "" where it has none."""
        return self.encoder.codebooks.get(self.post, "")

    @property
    def content(self) -> StreamSpec:
        """The linguistic stream."""
        if self.is_spectrogram:
            return StreamSpec(self.linguistic)
        soft = self.post == "soft"
        return StreamSpec(self.encoder.soft) if soft else StreamSpec(self.linguistic, self.layer)

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """Every stream that the IR is made of, the speaker's own embedding included."""
        found = [self.content]
        found += [StreamSpec("f0")] * self.f0 + [StreamSpec("log-mel")] * self.segments
        found += [StreamSpec(self.speaker)] * (self.speaker not in NO_STREAM)
        return tuple(found)

    @property
    def name(self) -> str:
        """The name in tables and of model folders: "none-T1", "ECAPA-W6-soft", "B3-IR", "log-mel"."""
        if self.is_spectrogram:
            return self.linguistic
        if self in BASELINES.values():
            return next(name for name, spec in BASELINES.items() if spec == self)
        return self.called("none" if self.speaker == "none" else self.speaker.upper())

    def called(self, speaker: str) -> str:
        """The name with these words for the speaker, e.g. "ECAPA-anon"."""
        stream = [] if self.linguistic in ENCODERS else [self.linguistic]
        parts = [speaker, *stream, f"{self.encoder.letter}{self.layer}"] + [self.post] * (self.post != "none")
        parts += ["noF0"] * (not self.f0) + ["segments"] * self.segments
        return "-".join(parts)


def letter(stream: str) -> str:
    """Of the layers of a stream, in names."""
    return ENCODERS.get(stream, PLAIN).letter


def _last_layers() -> str:
    return " and ".join(f"{encoder.letter}{encoder.last}" for encoder in ENCODERS.values())


BASELINES = {
    "B3-IR": IRSpec(layer=12, post="kmeans", speaker="gst", segments=True),
    "B4-IR": IRSpec(layer=12, post="kmeans", speaker="prompt", f0=False),
    "B5-IR": IRSpec(layer=12, post="vq", speaker="one-hot"),
}
"""The representations of the paper's table I, in this frame. They are not the systems of those names.

B3: units as long as phones, F0 and energy of each, and a style embedding; STTTS has a recogniser's phones for units.
B4: semantic tokens and an acoustic prompt; NAC has codec tokens of the prompt for statistics. B5: a vector-quantised
bottleneck of 48 codes, F0, and the number of a speaker; here the codes are fitted to T12 afterwards.
"""
