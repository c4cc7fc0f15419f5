"""A take from frame to frame: F0, centroid, kurtosis, loudness. T samples at 16 kHz, L frames of 10 ms.

The spectra, moments and F0 are those of hypothesis 4 (`evaluation.acoustics`), as tracks instead of medians.
"""

from dataclasses import dataclass

import numpy as np
from pyloudnorm import IIRfilter

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise
from emotrace.evaluation.acoustics import fit_mask
from emotrace.evaluation.spectrum import HOP, spectra, spectral_moments
from emotrace.representation.f0 import yaapt_f0

MOMENT = SAMPLE_RATE * 2 // 5  # samples: the 400 ms of momentary loudness
SILENCE = -70.0  # LUFS, below which BS.1770 hears nothing
# ITU-R BS.1770-4: the head's high shelf, then the high pass; gain in dB, Q, frequency in Hz
K_WEIGHTING = (
    IIRfilter(4.0, 1 / np.sqrt(2), 1500.0, SAMPLE_RATE, "high_shelf"),
    IIRfilter(0.0, 0.5, 38.0, SAMPLE_RATE, "high_pass"),
)


@dataclass(frozen=True)
class Tracks:
    """One take, frame by frame.

    Attributes:
        magnitudes: (L, 201), from 0 to 8 kHz.
        f0: (L,) Hz, NaN where unvoiced.
        centroid, kurtosis: (L,) Hz and without unit, magnitude-weighted (study section 7); NaN in digital silence.
        loudness: (L,) momentary loudness in LUFS, NaN below -70.
        speech: (L,) bool, the frames that are speech in the recording.
    """

    magnitudes: np.ndarray
    f0: np.ndarray
    centroid: np.ndarray
    kurtosis: np.ndarray
    loudness: np.ndarray
    speech: np.ndarray

    @property
    def seconds(self) -> np.ndarray:
        """Centres of the frames (L,)."""
        return (np.arange(len(self.speech)) + 0.5) * HOP / SAMPLE_RATE

    def median(self, name: str) -> float:
        """Median of a track over the speech frames where it has a value; NaN where there is none."""
        values = getattr(self, name)[self.speech]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if values.size else np.nan


def measure_tracks(waveform: np.ndarray, speech: np.ndarray) -> Tracks:
    """The tracks of a waveform (T,); ``speech`` is the recording's `evaluation.acoustics.oracle_mask`.

    Raises AcousticsError where the lengths differ by more than 0.1 s, and as `yaapt_f0` does.
    """
    magnitudes = spectra(waveform)
    n_frames = len(magnitudes)
    moments = spectral_moments(magnitudes)
    f0 = yaapt_f0(level_normalise(waveform)).numpy()[:n_frames].astype(float)
    return Tracks(
        magnitudes,
        np.where(f0 > 0, f0, np.nan),
        moments.centroid,
        moments.kurtosis,
        momentary_loudness(waveform)[:n_frames],
        fit_mask(speech, n_frames),
    )


def momentary_loudness(waveform: np.ndarray) -> np.ndarray:
    """Momentary loudness in LUFS (T // 160,) of a waveform (T,): BS.1770's K-weighted power over 400 ms about a frame.

    Before its beginning and after its end a waveform counts as silent. NaN below -70 LUFS, as the standard's gate.
    """
    weighted = np.asarray(waveform, dtype=np.float64)
    for stage in K_WEIGHTING:
        weighted = stage.apply_filter(weighted)
    energy = np.concatenate([[0.0], np.cumsum(weighted**2)])
    centres = HOP * np.arange(len(weighted) // HOP) + HOP // 2
    first, last = (np.clip(centres + side, 0, len(weighted)) for side in (-MOMENT // 2, MOMENT // 2))
    with np.errstate(divide="ignore"):
        loudness = -0.691 + 10 * np.log10((energy[last] - energy[first]) / MOMENT)
    return np.where(loudness > SILENCE, loudness, np.nan)
