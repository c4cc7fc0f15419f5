"""Prosody by segment: one value of F0 and one of energy for each run of equal units, as a phone-based TTS takes them.

As in STTTS (IMS-Toucan), F0 is the mean of a segment's voiced frames, 0 without any, and energy the mean of the norms
of its spectra; both are divided by their mean over the segments of the utterance that are not 0. That mean of F0 is the
register. STTTS's decoder knows it from the style embedding; ours, with some hundred utterances to learn from, is told:
F0 is given back in Hz, in the register of the voice that is asked for.
Axes: L50 and L100 frames (50 and 100 per second), S segments.
"""

from __future__ import annotations

import torch
from torch import Tensor

from emotrace.representation.streams import align


def segment_prosody(units: Tensor, f0: Tensor, log_mel: Tensor, register: float | None = None) -> Tensor:
    """Units (L50,) integers, F0 (L100,) Hz or 0, log-mel (80, L100) -> F0 in Hz or 0 and relative energy (2, L100).

    F0 is moved to a mean of `register` Hz, by default its own. The units get 100 frames per second as the linguistic
    stream does. Raises IRError when the lengths differ by more than two frames.
    """
    segments = _segments(units, f0)
    energy = align(log_mel, len(f0)).float().exp().norm(dim=0)
    pitch = _means(f0.float(), segments, f0 > 0)
    loudness = _means(energy, segments, torch.ones_like(energy, dtype=torch.bool))
    if register is not None:
        pitch = pitch * register / _mean_of_present(pitch)
    return torch.stack([pitch[segments], (loudness / _mean_of_present(loudness))[segments]]).float()


def own_register(units: Tensor, f0: Tensor) -> float:
    """Mean in Hz of a voice's segments that have F0; NaN without any. Arguments and errors as `segment_prosody`'s."""
    pitch = _means(f0.float(), _segments(units, f0), f0 > 0)
    return float(_mean_of_present(pitch)) if pitch.any() else float("nan")


def _segments(units: Tensor, f0: Tensor) -> Tensor:
    return segment_ids(align(doubled(units)[None], len(f0))[0])


def doubled(frames: Tensor) -> Tensor:
    """Frames at 50/s (L50, ...) -> (2 (L50 + 1), ...) at 100/s: the last one replicated, then each twice."""
    return torch.cat([frames, frames[-1:]]).repeat_interleave(2, dim=0)


def segment_ids(units: Tensor) -> Tensor:
    """(L,) units -> (L,) number of the run of equal units that a frame is in, counted from 0."""
    return torch.cat([torch.zeros(1, dtype=torch.long), (units[1:] != units[:-1]).long()]).cumsum(0)


def _means(values: Tensor, segments: Tensor, counted: Tensor) -> Tensor:
    """(L,) -> (S,): the mean over the frames of a segment that are counted, 0 where none is."""
    sums = torch.zeros(int(segments[-1]) + 1, dtype=torch.float64)
    counts = sums.index_add(0, segments, counted.double())
    return sums.index_add(0, segments, (values * counted).double()) / counts.clamp(min=1)


def _mean_of_present(means: Tensor) -> Tensor:
    """Mean of those of (S,) that are not zero, 1 where all are."""
    present = means[means > 0]
    return present.mean() if len(present) else torch.ones((), dtype=means.dtype)
