"""The intermediate representation (IR) between the front-ends and the vocoder.

Axes: T samples at 16 kHz, L50 frames at 50 per second, L100 frames at 100 per second, C channels, E embedding, D
channels of the IR.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from emotrace.representation.discrete import Codebook
from emotrace.representation.prosody import doubled, segment_prosody
from emotrace.representation.spec import NO_STREAM, IRError, IRSpec, StreamSpec
from emotrace.representation.streams import align

HOP = 160  # samples at 16 kHz in a frame of an IR
Streams = Callable[[StreamSpec], Tensor]


def build_ir(
    spec: IRSpec,
    streams: Streams,
    *,
    codebook: Codebook | None = None,
    speaker: Tensor | None = None,
    register: float | None = None,
) -> Tensor:
    """The IR (D, L100) that ``spec`` describes, of one utterance.

    Args:
        streams: the utterance's streams, by their specification.
        codebook: of discrete units.
        speaker: an embedding (E,) in place of the utterance's own; needed for "one-hot", which no utterance tells.
        register: with prosody by segment, a mean F0 in Hz in place of the utterance's own.

    Raises:
        IRError: an embedding for an IR without speaker, a register for one without segments, a codebook or the number
            of a speaker that is missing, or streams that do not fit.
    """
    if spec.is_spectrogram:
        return streams(spec.content).T.contiguous()
    if spec.speaker == "none" and speaker is not None:
        raise IRError(f"{spec.name} has no speaker embedding to replace")
    if not spec.segments and register is not None:
        raise IRError(f"{spec.name} has no prosody by segment, whose register could be replaced")
    if spec.speaker == "one-hot" and speaker is None:
        raise IRError(f"{spec.name}: say which speaker")
    if spec.is_discrete and codebook is None:
        raise IRError(f"{spec.name}: post-processing {spec.post} needs its codebook")
    linguistic = streams(spec.content)
    prosody = streams(StreamSpec("f0")) if spec.f0 else None
    if spec.segments:
        units = codebook.segmental_ids(linguistic)
        log_mel = streams(StreamSpec("log-mel")).T.contiguous()
        linguistic, prosody = codebook.codes[units], segment_prosody(units, prosody, log_mel, register)
    elif spec.is_discrete:
        linguistic = codebook(linguistic)
    if speaker is None and spec.speaker not in NO_STREAM:
        speaker = streams(StreamSpec(spec.speaker))
    return assemble_ir(linguistic, prosody, speaker)


def f0_channel(spec: IRSpec, streams: Streams, *, codebook: Codebook | None = None) -> int | None:
    """Which channel of the IR is F0 in Hz; None where no channel is. Errors as `build_ir`'s."""
    if not spec.f0:
        return None
    return codebook.codes.shape[1] if spec.is_discrete and codebook is not None else streams(spec.content).shape[1]


def assemble_ir(linguistic: Tensor | None, f0: Tensor | None, speaker: Tensor | None) -> Tensor:
    """Concatenate the streams of ONE utterance: (L50, C), (L100,) Hz, (E,) -> (D, L100), D = C + 1 + E.

    Instead of F0, prosody of P channels (P, L100) can be given, taken as it is: D = C + P + E.

    As SSL-SAS does it: the linguistic features are layer-normed without weights over the whole tensor, get one frame
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


def _to_100_per_second(linguistic: Tensor) -> Tensor:
    """(L50, C) -> (C, 2 (L50 + 1)). The norm comes before the padding: the order shows in the third decimal."""
    return doubled(F.layer_norm(linguistic.float(), linguistic.shape)).T


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
