"""Prosody by segment: one value of F0 and one of energy for each run of equal units, as a phone-based TTS takes them.

As in STTTS (IMS-Toucan), F0 is the mean of a segment's voiced frames, 0 without any, and energy the mean of the norms
of its spectra; both are divided by their mean over the segments of the utterance that are not 0, so that F0 does not
tell the register of a voice.
Axes: L50 and L100 frames (50 and 100 per second), S segments.
"""

from __future__ import annotations

import torch
from torch import Tensor

from emotrace.representation.ir import align, doubled


def segment_prosody(units: Tensor, f0: Tensor, log_mel: Tensor) -> Tensor:
    """Units (L50,) integers, F0 (L100,) Hz with 0 unvoiced, log-mel (80, L100) -> F0 and energy (2, L100), relative.

    The units get 100 frames per second as the linguistic stream does. Raises IRError when the lengths differ by more
    than two frames.
    """
    segments = segment_ids(align(doubled(units)[None], len(f0))[0])
    energy = align(log_mel, len(f0)).float().exp().norm(dim=0)
    pitch = _means(f0.float(), segments, f0 > 0)
    loudness = _means(energy, segments, torch.ones_like(energy, dtype=torch.bool))
    return torch.stack([_relative(pitch)[segments], _relative(loudness)[segments]]).float()


def segment_ids(units: Tensor) -> Tensor:
    """(L,) units -> (L,) number of the run of equal units that a frame is in, counted from 0."""
    return torch.cat([torch.zeros(1, dtype=torch.long), (units[1:] != units[:-1]).long()]).cumsum(0)


def _means(values: Tensor, segments: Tensor, counted: Tensor) -> Tensor:
    """(L,) -> (S,): the mean over the frames of a segment that are counted, 0 where none is."""
    sums = torch.zeros(int(segments[-1]) + 1, dtype=torch.float64)
    counts = sums.index_add(0, segments, counted.double())
    return sums.index_add(0, segments, (values * counted).double()) / counts.clamp(min=1)


def _relative(means: Tensor) -> Tensor:
    """(S,) -> (S,), divided by the mean of those that are not zero; zeros stay."""
    present = means[means > 0]
    return means / present.mean() if len(present) else means
