"""Spectra of short frames and their moments over frequency. T samples at 16 kHz, L frames of 10 ms, K bins."""

from typing import NamedTuple

import numpy as np

from emotrace.corpus.audio import SAMPLE_RATE

HOP = 160
N_FFT = 400
FREQUENCIES = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)  # (K,) Hz
# Bins of the frames' histograms: a twelfth of an octave in frequency, as fine in kurtosis.
CENTROID_EDGES = 62.5 * 2 ** (np.arange(7 * 12 + 1) / 12)  # Hz
KURTOSIS_EDGES = 2 ** (np.arange(9 * 12 + 1) / 12)


class Moments(NamedTuple):
    """Of each frame (L,): centroid in Hz, spread (standard deviation about it) in Hz, kurtosis, not excess."""

    centroid: np.ndarray
    spread: np.ndarray
    kurtosis: np.ndarray


def spectra(waveform: np.ndarray) -> np.ndarray:
    """Magnitudes (L, K) of a waveform (T,), L = T // 160, K = 201: Hann windows of 25 ms, each centred on its frame."""
    n_frames, margin = len(waveform) // HOP, (N_FFT - HOP) // 2
    if not n_frames:
        return np.empty((0, len(FREQUENCIES)))
    padded = np.pad(np.asarray(waveform, dtype=np.float64)[: n_frames * HOP], margin)
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    return np.abs(np.fft.rfft(windows * np.hanning(N_FFT + 1)[:-1]))


def spectral_moments(weights: np.ndarray) -> Moments:
    """Moments of frequency, weighted by ``weights`` (L, K) >= 0.

    Kurtosis is the fourth central moment over the squared variance. With magnitudes as weights this is the study's
    definition, with powers its variant. NaN where a frame is silent, and for the kurtosis where all is in
    one bin.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        density = weights / weights.sum(axis=1, keepdims=True)
        centroid = density @ FREQUENCIES
        deviation = (FREQUENCIES - centroid[:, None]) ** 2
        variance = (density * deviation).sum(axis=1)
        kurtosis = (density * deviation**2).sum(axis=1) / variance**2
    return Moments(centroid, np.sqrt(variance), np.where(variance > 0, kurtosis, np.nan))
