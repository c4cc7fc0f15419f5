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
SPEAKER = ("none", "ecapa", "gst")


class IRError(ValueError):
    """Features that do not make an IR."""


@dataclass(frozen=True)
class IRSpec:
    """What an IR is made of: one cell of the study's table II (section 3), or the log-mel control.

    linguistic: "hubert" or "log-mel" (the control: 80 bands, no F0, no speaker); layer: n of T_n; post: what is done
    to the layer; speaker: the embedding; f0: whether F0 is a channel. Raises IRError for anything else.
    """

    linguistic: str = "hubert"
    layer: int = 12
    post: str = "none"
    speaker: str = "none"
    f0: bool = True

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

    @property
    def name(self) -> str:
        """The name in tables and of model folders: "none-T1", "ECAPA-T12-soft", "log-mel"."""
        if self.linguistic == "log-mel":
            return "log-mel"
        speaker = "none" if self.speaker == "none" else self.speaker.upper()
        parts = [speaker, f"T{self.layer}"] + [self.post] * (self.post != "none") + ["noF0"] * (not self.f0)
        return "-".join(parts)


def assemble_ir(linguistic: Tensor | None, f0: Tensor | None, speaker: Tensor | None) -> Tensor:
    """Concatenate the streams of ONE utterance: (L50, C), (L100,) Hz, (E,) -> (D, L100), D = C + 1 + E.

    Study section 5: the linguistic features are layer-normed without weights over the whole tensor, get one frame
    replicated at the end, and each frame twice; the embedding is layer-normed and repeated to every frame; F0 stays
    in raw Hz. F0's length is the IR's: the doubled linguistic frames are cut, or their last one repeated, to match
    it. Raises IRError when the lengths differ by more than two frames, for NaN, for wrong shapes, and when there is
    neither a linguistic stream nor F0.
    """
    streams = {"linguistic": (linguistic, 2), "F0": (f0, 1), "speaker": (speaker, 1)}
    for name, (stream, axes) in streams.items():
        _require_stream(name, stream, axes)
    upsampled = None if linguistic is None else _to_100_per_second(linguistic)
    frames = _frames(upsampled, f0)
    parts = []
    if upsampled is not None:
        parts.append(align(upsampled, frames))
    if f0 is not None:
        parts.append(f0.float()[None])
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
    normed = F.layer_norm(linguistic.float(), linguistic.shape)
    return torch.cat([normed, normed[-1:]]).repeat_interleave(2, dim=0).T


def _frames(upsampled: Tensor | None, f0: Tensor | None) -> int:
    if f0 is not None:
        return len(f0)
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
