"""The intermediate representation (IR) between the front-ends and the vocoder.

Axes: T samples at 16 kHz, L50 frames at 50 per second, L100 frames at 100 per second, C channels, E embedding, D
channels of the IR.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor

from emotrace.representation.mel import hifigan_log_mel

SAMPLE_RATE = 16_000
HOP = 160
FRAME_RATE = 100
MEL_HOP = 256  # samples at 22.05 kHz
RESAMPLING_WIDTH = 32  # zero crossings of the filter; torchaudio's default of 6 leaks above 7 kHz
TOLERANCE = 2  # frames at 100 per second by which the streams may differ before something must be wrong

LINGUISTIC = ("hubert", "log-mel")
POST = ("none", "soft", "kmeans", "vq")
DISCRETE = ("kmeans", "vq")
SPEAKER = ("none", "ecapa", "gst", "prompt", "one-hot")


class IRError(ValueError):
    """Features that do not make an IR."""


@dataclass(frozen=True)
class IRSpec:
    """What an IR is made of: one cell of the study's table II (section 3), or the log-mel control.

    linguistic: "hubert" or "log-mel" (the control: 80 bands, no F0, no speaker); layer: n of T_n; post: what is done
    to the layer; speaker: what stands for the speaker; f0: whether F0 is a channel; segments: instead of F0 by frame,
    F0 and energy by segment (`prosody`), for discrete units as long as phones. Raises IRError for anything else.
    """

    linguistic: str = "hubert"
    layer: int = 12
    post: str = "none"
    speaker: str = "none"
    f0: bool = True
    segments: bool = False

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("linguistic", self.linguistic, LINGUISTIC),
            ("post", self.post, POST),
            ("speaker", self.speaker, SPEAKER),
        ):
            if value not in choices:
                raise IRError(f"IR {name} {value!r}: one of {', '.join(choices)}")
        if self.layer < 0:
            raise IRError(f"IR layer {self.layer}: 0 or more")
        if self.linguistic == "log-mel" and (self.post, self.speaker) != ("none", "none"):
            raise IRError("the log-mel control has neither post-processing nor speaker")
        if self.segments and not (self.f0 and self.post in DISCRETE):
            raise IRError(f"prosody by segment takes F0 and discrete units ({', '.join(DISCRETE)})")

    @property
    def name(self) -> str:
        """The name in tables and of model folders: "none-T1", "ECAPA-T12-soft", "B3-IR", "log-mel"."""
        if self.linguistic == "log-mel":
            return "log-mel"
        if self in BASELINES.values():
            return next(name for name, spec in BASELINES.items() if spec == self)
        speaker = "none" if self.speaker == "none" else self.speaker.upper()
        parts = [speaker, f"T{self.layer}"] + [self.post] * (self.post != "none")
        parts += ["noF0"] * (not self.f0) + ["segments"] * self.segments
        return "-".join(parts)


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


def assemble_ir(linguistic: Tensor | None, f0: Tensor | None, speaker: Tensor | None) -> Tensor:
    """Concatenate the streams of ONE utterance: (L50, C), (L100,) Hz, (E,) -> (D, L100), D = C + 1 + E.

    Instead of F0, prosody of P channels (P, L100) can be given, taken as it is: D = C + P + E.

    Study section 5: the linguistic features are layer-normed without weights over the whole tensor, get one frame
    replicated at the end, and each frame twice; the embedding is layer-normed and repeated to every frame; F0 stays
    in raw Hz. F0's length is the IR's: the doubled linguistic frames are cut, or their last one repeated, to match
    it. Raises IRError when the lengths differ by more than two frames, for NaN, for wrong shapes, and when there is
    neither a linguistic stream nor F0.
    """
    prosody = f0[None] if f0 is not None and f0.ndim == 1 else f0
    streams = {"linguistic": (linguistic, 2), "F0": (prosody, 2), "speaker": (speaker, 1)}
    for name, (stream, axes) in streams.items():
        _require_stream(name, stream, axes)
    upsampled = None if linguistic is None else _to_100_per_second(linguistic)
    frames = _frames(upsampled, prosody)
    parts = []
    if upsampled is not None:
        parts.append(align(upsampled, frames))
    if prosody is not None:
        parts.append(prosody.float())
    if speaker is not None:
        parts.append(F.layer_norm(speaker.float(), speaker.shape)[:, None].expand(-1, frames))
    return torch.cat(parts)


def log_mel_ir(waveform: Tensor) -> Tensor:
    """The control IR: (T,) at 16 kHz -> (80, ceil(T / 160)), the universal HiFi-GAN's log-mel at 100 frames/s.

    Resampled to 22.05 kHz; the frames (86.1 per second) are interpolated linearly in time.
    """
    wide = torchaudio.functional.resample(waveform[None], SAMPLE_RATE, 22_050, lowpass_filter_width=RESAMPLING_WIDTH)
    log_mel = hifigan_log_mel(F.pad(wide, (0, -wide.shape[1] % MEL_HOP)))
    # a given factor keeps the frames' true times; a given size would stretch them by the rounding of both lengths
    factor = FRAME_RATE * MEL_HOP / 22_050
    by_ten_ms = F.interpolate(log_mel, scale_factor=factor, mode="linear", recompute_scale_factor=False)
    return align(by_ten_ms[0], -(-len(waveform) // HOP))


def align(stream: Tensor, frames: int) -> Tensor:
    """(C, L) -> (C, frames), cut or with its last frame repeated. Raises IRError beyond two frames of difference."""
    difference = frames - stream.shape[1]
    if abs(difference) > TOLERANCE:
        raise IRError(f"streams of {stream.shape[1]} and {frames} frames (100/s) are not of one utterance")
    if difference <= 0:
        return stream[:, :frames]
    return torch.cat([stream, stream[:, -1:].expand(-1, difference)], dim=1)


def _to_100_per_second(linguistic: Tensor) -> Tensor:
    """(L50, C) -> (C, 2 (L50 + 1)). The norm comes before the padding: the order shows in the third decimal."""
    return doubled(F.layer_norm(linguistic.float(), linguistic.shape)).T


def doubled(frames: Tensor) -> Tensor:
    """Frames at 50/s (L50, ...) -> (2 (L50 + 1), ...) at 100/s: the last one replicated, then each twice."""
    return torch.cat([frames, frames[-1:]]).repeat_interleave(2, dim=0)


def _frames(upsampled: Tensor | None, prosody: Tensor | None) -> int:
    if prosody is not None:
        return prosody.shape[1]
    if upsampled is not None:
        return upsampled.shape[1]
    raise IRError("an IR needs a linguistic stream or F0")


def _require_stream(name: str, stream: Tensor | None, axes: int) -> None:
    if stream is None:
        return
    if stream.ndim != axes or stream.numel() == 0:
        raise IRError(f"{name} stream of an IR: {axes} axes, none empty; got shape {tuple(stream.shape)}")
    if not torch.isfinite(stream).all():
        raise IRError(f"{name} stream of an IR has NaN or infinite values")
