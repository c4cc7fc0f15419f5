"""Acoustics on the original's voice activity (hypothesis H4). T samples at 16 kHz, L frames of 10 ms, K bins."""

import numpy as np
import pyloudnorm
import webrtcvad

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise, peak_normalise, to_pcm16
from emotrace.evaluation.spectrum import CENTROID_EDGES, HOP, KURTOSIS_EDGES, spectra, spectral_moments
from emotrace.representation.f0 import yaapt_f0

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


def acoustic_features(waveform: np.ndarray, mask: np.ndarray) -> dict[str, float | int | list[int]]:
    """Features of a waveform (T,) as recorded, on the speech frames of `mask` (L,), the original's `oracle_mask`.

    centroid_hz, kurtosis, kurtosis_power, kurtosis_amplitude: medians over speech frames.
    centroid_histogram, kurtosis_histogram: speech frames in each bin of CENTROID_EDGES and KURTOSIS_EDGES, values
    beyond the edges in the outermost bins; utterances together make the distributions over frames of Fig. 4.
    loudness_lufs, and loudness_peak_matched_lufs after scaling to peak 0.95, as every synthesised version is: of the
    whole waveform, since BS.1770 has a gate of its own.
    f0_mean_hz, f0_range_st (`f0_range`) over voiced speech frames. speech_frames and f0_voiced count the frames behind
    the medians; where one is 0 its features are NaN. Raises as `fit_mask`, `loudness` and `yaapt_f0` do.
    """
    speech = fit_mask(mask, len(waveform) // HOP)
    f0 = yaapt_f0(level_normalise(waveform)).numpy()[: len(speech)]
    voiced = f0[speech & (f0 > 0)]
    return {
        **_spectral_summary(waveform, speech),
        "loudness_lufs": loudness(waveform),
        "loudness_peak_matched_lufs": loudness(peak_normalise(waveform)),
        "f0_mean_hz": float(voiced.mean(dtype=np.float64)) if voiced.size else np.nan,
        "f0_range_st": f0_range(voiced) if voiced.size else np.nan,
        "f0_voiced": int(voiced.size),
    }


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


def _spectral_summary(waveform: np.ndarray, speech: np.ndarray) -> dict[str, float | int | list[int]]:
    magnitudes = spectra(waveform)[speech]
    magnitudes = magnitudes[magnitudes.max(axis=1) > 0]  # digital silence has no spectrum
    centroid, _, kurtosis = spectral_moments(magnitudes)
    values = {
        "centroid_hz": centroid,
        "kurtosis": kurtosis,
        "kurtosis_power": spectral_moments(magnitudes**2).kurtosis,
        "kurtosis_amplitude": amplitude_kurtosis(magnitudes),
    }
    medians = {name: float(np.median(value)) if value.size else np.nan for name, value in values.items()}
    histograms = {
        "centroid_histogram": histogram(centroid, CENTROID_EDGES),
        "kurtosis_histogram": histogram(kurtosis, KURTOSIS_EDGES),
    }
    return {**medians, **histograms, "speech_frames": len(magnitudes)}
