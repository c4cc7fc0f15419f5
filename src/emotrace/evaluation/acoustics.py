"""Acoustics on the original's voice activity (hypothesis H4). T samples at 16 kHz, L frames of 10 ms, K bins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyloudnorm
import webrtcvad

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise, peak_normalise, to_pcm16
from emotrace.evaluation.pitch import world_f0
from emotrace.evaluation.spectrum import CENTROID_EDGES, HOP, KURTOSIS_EDGES, Moments, spectra, spectral_moments
from emotrace.registry import Registry

LOUDNESS_SECONDS = 0.4  # one gating block of BS.1770
LENGTH_TOLERANCE = 0.1  # seconds by which a version may be longer or shorter than its original
VAD_MODE = 2


class AcousticsError(ValueError):
    """A waveform or mask that cannot be measured."""


def oracle_mask(original: np.ndarray) -> np.ndarray:
    """Speech frames (L,) bool of a waveform (T,), L = T // 160: frame l is samples 160 l to 160 l + 159.

    webrtcvad on level-normalised 16-bit samples, a fresh detector per call because it keeps state. All False where
    nothing was found; `acoustic_features` then counts 0 frames. Raises AudioError on silence and NaN.
    """
    samples, detector = to_pcm16(original), webrtcvad.Vad(VAD_MODE)
    frames = (samples[2 * HOP * frame : 2 * HOP * (frame + 1)] for frame in range(len(original) // HOP))
    return np.array([detector.is_speech(frame, SAMPLE_RATE) for frame in frames], dtype=bool)


def fit_mask(mask: np.ndarray, n_frames: int) -> np.ndarray:
    """The mask (L,) of an original for a version of `n_frames`: cut, or filled up without speech.

    Raises AcousticsError when the version differs by more than 0.1 s: its frames are then not those of the original.
    """
    difference = (n_frames - len(mask)) * HOP / SAMPLE_RATE
    if abs(difference) > LENGTH_TOLERANCE:
        raise AcousticsError(f"the version is {difference:+.2f} s longer than its original: its mask does not fit")
    return np.pad(mask[:n_frames], (0, max(0, n_frames - len(mask))))


@dataclass(frozen=True, eq=False)
class Speech:
    """What an acoustic feature is read off: a waveform (T,) as recorded, and which of its frames are speech (L,).

    The mask is the original's `oracle_mask`, fitted to the waveform. Shared intermediates are computed once.
    """

    waveform: np.ndarray
    frames: np.ndarray

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """Magnitudes (N, K) of the N speech frames that are not digital silence, which has no spectrum."""
        magnitudes = spectra(self.waveform)[self.frames]
        return magnitudes[magnitudes.max(axis=1) > 0]

    @cached_property
    def moments(self) -> Moments:
        """Magnitude-weighted moments (N,) of the speech frames."""
        return spectral_moments(self.magnitudes)

    @cached_property
    def f0(self) -> np.ndarray:
        """F0 in Hz of the voiced speech frames. Raises F0Error as `world_f0` does."""
        track = world_f0(level_normalise(self.waveform))[: len(self.frames)]
        return track[self.frames & (track > 0)]


class AcousticFeature(NamedTuple):
    """A number for an utterance: its unit, what figures call it, its function; NaN where there is nothing to read."""

    unit: str
    label: str
    function: Callable[[Speech], float]


def centroid_hz(speech: Speech) -> float:
    """Median spectral centroid over speech frames."""
    return median(speech.moments.centroid)


def kurtosis(speech: Speech) -> float:
    """Median spectral kurtosis over speech frames, frequencies weighted by magnitude."""
    return median(speech.moments.kurtosis)


def kurtosis_power(speech: Speech) -> float:
    """Median spectral kurtosis over speech frames, frequencies weighted by power."""
    return median(spectral_moments(speech.magnitudes**2).kurtosis)


def kurtosis_amplitude(speech: Speech) -> float:
    """Median over speech frames of the kurtosis of the bins' amplitudes."""
    return median(amplitude_kurtosis(speech.magnitudes))


def loudness_lufs(speech: Speech) -> float:
    """Loudness of the whole waveform as it is, since BS.1770 has a gate of its own."""
    return loudness(speech.waveform)


def loudness_peak_matched_lufs(speech: Speech) -> float:
    """Loudness after scaling to peak 0.95, as every synthesised version is."""
    return loudness(peak_normalise(speech.waveform))


def loudness_speech_lufs(speech: Speech) -> float:
    """Loudness of the speech frames joined, without pauses; NaN where they are silent or shorter than 0.4 s."""
    return _loudness_of_frames(speech.waveform, speech.frames)


def loudness_speech_peak_matched_lufs(speech: Speech) -> float:
    """The same after scaling the waveform to peak 0.95, as every synthesised version is."""
    return _loudness_of_frames(peak_normalise(speech.waveform), speech.frames)


def _loudness_of_frames(waveform: np.ndarray, frames: np.ndarray) -> float:
    """`loudness` of the frames (L,) that are speech, of a waveform (T,)."""
    joined = waveform[: len(frames) * HOP].reshape(-1, HOP)[frames].ravel()
    return loudness(joined) if joined.any() and len(joined) >= LOUDNESS_SECONDS * SAMPLE_RATE else np.nan


def f0_mean_hz(speech: Speech) -> float:
    """Mean F0 over voiced speech frames."""
    return float(speech.f0.mean(dtype=np.float64)) if speech.f0.size else np.nan


def f0_range_st(speech: Speech) -> float:
    """`f0_range` over voiced speech frames."""
    return f0_range(speech.f0) if speech.f0.size else np.nan


def acoustic_features(
    waveform: np.ndarray, mask: np.ndarray, features: Mapping[str, AcousticFeature] | None = None
) -> dict[str, float | int | list[int]]:
    """Features of a waveform (T,) as recorded, on the speech frames of `mask` (L,), the original's `oracle_mask`.

    By default those of `ACOUSTIC_FEATURES`. Besides: centroid_histogram and kurtosis_histogram, speech frames in each
    bin of CENTROID_EDGES and KURTOSIS_EDGES, values beyond the edges in the outermost bins (utterances together make
    the distributions over frames of the paper's Fig. 4); speech_frames and f0_voiced, the frames behind the medians.
    Where one is 0 its features are NaN. Raises as `fit_mask`, `loudness` and `world_f0` do.
    """
    speech = Speech(waveform, fit_mask(mask, len(waveform) // HOP))
    features = ACOUSTIC_FEATURES if features is None else features
    return {
        **{name: feature.function(speech) for name, feature in features.items()},
        "centroid_histogram": histogram(speech.moments.centroid, CENTROID_EDGES),
        "kurtosis_histogram": histogram(speech.moments.kurtosis, KURTOSIS_EDGES),
        "speech_frames": len(speech.magnitudes),
        "f0_voiced": int(speech.f0.size),
    }


def median(values: np.ndarray) -> float:
    """Median of (N,); NaN of nothing."""
    return float(np.median(values)) if values.size else np.nan


def amplitude_kurtosis(magnitudes: np.ndarray) -> np.ndarray:
    """Kurtosis (L,), not excess, of the amplitudes of the bins of (L, K), without regard to frequency."""
    deviation = (magnitudes - magnitudes.mean(axis=1, keepdims=True)) ** 2
    variance = deviation.mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0, (deviation**2).mean(axis=1) / variance**2, np.nan)


def loudness(waveform: np.ndarray) -> float:
    """Integrated loudness in LUFS of a waveform (T,) in [-1, 1], by ITU-R BS.1770-4 (pyloudnorm).

    Raises AcousticsError below 0.4 s, on NaN, on silence (pyloudnorm returns -inf for both), and on values that are
    16-bit integers rather than a fraction of full scale, which pyloudnorm would call +67 LUFS.
    """
    if len(waveform) < LOUDNESS_SECONDS * SAMPLE_RATE:
        raise AcousticsError(f"loudness needs at least 0.4 s, got {len(waveform) / SAMPLE_RATE:.3f} s")
    if not np.isfinite(waveform).all():
        raise AcousticsError("loudness of NaN or infinite samples")
    if (peak := np.abs(waveform).max()) > 2:
        raise AcousticsError(f"loudness needs samples in [-1, 1], got a peak of {peak:.0f}: scaled as integers?")
    measured = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(np.asarray(waveform, dtype=np.float64))
    if not np.isfinite(measured):
        raise AcousticsError("loudness of silence: every block is below -70 LUFS")
    return float(measured)


def f0_range(f0: np.ndarray) -> float:
    """Range of voiced F0 (L,) in Hz: 95th minus 5th percentile, in semitones."""
    low, high = np.percentile(f0, [5, 95])
    return float(12 * np.log2(high / low))


def histogram(values: np.ndarray, edges: np.ndarray) -> list[int]:
    """Values (L,) in each of the bins between `edges` (K + 1,): K counts, the outermost bins being open."""
    return np.histogram(np.clip(values[np.isfinite(values)], edges[0], edges[-1]), edges)[0].tolist()


ACOUSTIC_FEATURES = Registry(
    "acoustic feature",
    {
        "centroid_hz": AcousticFeature("Hz", "spectral centroid", centroid_hz),
        "kurtosis": AcousticFeature("", "spectral kurtosis", kurtosis),
        "kurtosis_power": AcousticFeature("", "spectral kurtosis, by power", kurtosis_power),
        "kurtosis_amplitude": AcousticFeature("", "kurtosis of amplitudes", kurtosis_amplitude),
        "loudness_lufs": AcousticFeature("LUFS", "loudness", loudness_lufs),
        "loudness_peak_matched_lufs": AcousticFeature("LUFS", "loudness, peak matched", loudness_peak_matched_lufs),
        "loudness_speech_lufs": AcousticFeature("LUFS", "loudness of speech frames", loudness_speech_lufs),
        "loudness_speech_peak_matched_lufs": AcousticFeature(
            "LUFS", "loudness of speech frames, peak matched", loudness_speech_peak_matched_lufs
        ),
        "f0_mean_hz": AcousticFeature("Hz", "mean F0", f0_mean_hz),
        "f0_range_st": AcousticFeature("semitones", "F0 range", f0_range_st),
    },
)
"""Every acoustic feature by name. Another one is a function, a line here and its name in `Recognisers.acoustics`."""
