"""F0 by YAAPT with SSL-SAS's settings. Axes: T samples, L frames (100 per second)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emotrace.weights import ModelFolder

if TYPE_CHECKING:  # recordings are checked without torch and the tracker
    from torch import Tensor

SAMPLE_RATE = 16_000
FRAME_RATE = 100
PADDING = 160  # 10 ms on both sides: half of YAAPT's 20 ms frame
MINIMUM = 481  # the tracker needs four frames; below, it stops with an IndexError


class F0Error(ValueError):
    """The waveform cannot be tracked."""


class F0:
    """F0 as a stream (L,) in Hz at 100 frames per second, 0 where unvoiced."""

    models: ClassVar[tuple[str, ...]] = ()
    dimension, rate = 1, float(FRAME_RATE)

    @classmethod
    def load(cls, models: ModelFolder | None = None, layer: int | None = None, device: str = "cpu") -> F0:
        """YAAPT has no weights."""
        return cls()

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (L,). Raises F0Error as `yaapt_f0` does."""
        return yaapt_f0(waveform)


def yaapt_f0(waveform: Tensor | np.ndarray) -> Tensor:
    """Fundamental frequency of one utterance: (T,) at 16 kHz -> (ceil(T / 160),) float32, Hz, 0 where unvoiced.

    YAAPT (Zahorian and Hu 2008), frame length 20 ms, space 10 ms, nccf_thresh1 0.25, not interpolated, as SSL-SAS calls
    it. 16,123 samples give 101 frames: see `ir.assemble_ir` for the alignment. With these settings a synthetic tone,
    whose harmonics fall off as 1/k, comes out an octave low above 140 Hz; voices with formants do not.
    Raises F0Error for a waveform that is not (T,), has NaN or infinite samples, or is shorter than 481 samples
    (30 ms): the tracker itself would stop with an IndexError or call the damage "unvoiced".
    """
    import torch
    from amfm_decompy import basic_tools, pYAAPT

    samples = np.asarray(waveform, dtype=np.float64)
    require_trackable(samples)
    if not samples.any():
        return torch.zeros(-(-samples.size // PADDING))
    signal = basic_tools.SignalObj(np.pad(samples, PADDING), SAMPLE_RATE)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # medians over short utterances and means of unvoiced stretches
        pitch = pYAAPT.yaapt(signal, frame_length=20, frame_space=10, nccf_thresh1=0.25, tda_frame_length=25)
    return torch.from_numpy(pitch.samp_values.astype(np.float32))


def require_trackable(samples: np.ndarray) -> None:
    """Raise F0Error for what is not a waveform (T,), finite and of 481 samples or more."""
    if samples.ndim != 1:
        raise F0Error(f"F0 takes one waveform (T,), got shape {samples.shape}")
    if samples.size < MINIMUM:
        raise F0Error(f"F0 needs at least {MINIMUM} samples (30 ms at 16 kHz), got {samples.size}")
    if not np.isfinite(samples).all():
        raise F0Error("F0 got NaN or infinite samples")
