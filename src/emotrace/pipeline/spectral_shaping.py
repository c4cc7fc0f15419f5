"""Zero-phase filters that change one moment of the spectrum of speech and hold the others.

T samples at 16 kHz, L speech frames of 25 ms every 10 ms, K frequencies from 0 to 8 kHz, B coefficients.

The moments are magnitude-weighted over frequency: of each frame the centroid c = E[f],
the spread s = sqrt(E[(f - c)^2]) and the kurtosis E[(f - c)^4] / s^4; of an utterance the median over its speech
frames, because that is what the study reports and what the paper's claims are about. The log gain of the filter is

    g(f) = g_0 + sum over b = 1..B of x_b cos(pi b f / 8 kHz)   in dB.

Its cepstrum ends at B / 16 kHz = 0.5 ms, so it reshapes the envelope and leaves the harmonics of any pitch alone. Of
all x that do what is wanted, the one nearest to a start (0, or a ripple) is taken; by Parseval it changes the spectrum
least, in dB RMS over frequency. g_0 keeps the level of the speech.
"""

from functools import partial

import numpy as np

from emotrace.corpus.audio import SAMPLE_RATE
from emotrace.evaluation.spectrum import FREQUENCIES, HOP, N_FFT, spectra, spectral_moments

N_COSINES = 8
COSINES = np.cos(2 * np.pi * np.outer(np.arange(1, N_COSINES + 1), FREQUENCIES) / SAMPLE_RATE)  # (B, K)
SPEECH_RANGE = 40.0  # dB below the loud frames (95th percentile) down to which a frame is speech
MIDDLE = 0.2  # share of the frames about the median whose mean stands for it in the search: the median has no slope
SHARES = (1.0, 0.75, 0.5)  # of the change wanted
MAX_GAIN = 20.0  # dB about the mean over frequency, either way
TOLERANCE, MAX_MISS = 0.01, 0.05  # of each moment, relative: wanted, and allowed
N_STEPS, N_CORRECTIONS, DAMPING = 20, 16, 0.7
PEAK = 0.99  # of the result at most: 16-bit samples must not clip


class ShapingError(ValueError):
    """Speech whose spectrum cannot be shaped as wanted."""


def shape_spectrum(
    waveform: np.ndarray, *, centroid: float = 1.0, spread: float = 1.0, kurtosis: float = 1.0, ripple: float = 0.0
) -> np.ndarray:
    """Filter a waveform (T,) so that its median moments are multiplied by the factors given; float32 (T,).

    A factor of 1 holds its moment. Each is met within 1 %, or as nearly as `N_CORRECTIONS` corrections get, which must
    be 5 %: the median of few frames jumps. Where that takes a gain beyond 20 dB, three quarters of the change are made,
    in logarithms, or half of it. The RMS of the speech frames stays the same, but where the peak would exceed 0.99 the
    whole is scaled down to that. With all factors 1 the waveform stays what it is.

    ``ripple`` is the amplitude in dB of a cosine over frequency, period 2 kHz, that the filter starts from: with all
    factors 1 it is the control that changes the spectrum and none of its moments.

    Raises:
        ShapingError: silence, NaN, less than a frame, or no filter does it.
    """
    waveform = np.asarray(waveform, dtype=np.float64)
    speech, wanted = speech_frames(waveform), np.log([centroid, spread, kurtosis])
    for share in SHARES:
        shaped, missed = _nearest(waveform, speech, share * wanted, ripple * np.eye(N_COSINES)[-1])
        if missed < MAX_MISS:
            return (shaped * min(1.0, PEAK / np.abs(shaped).max())).astype(np.float32)
    raise ShapingError(f"no filter within {MAX_GAIN:g} dB makes half of the change; try a smaller one")


def _nearest(
    waveform: np.ndarray, speech: np.ndarray, wanted: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, float]:
    """The waveform (T,) whose log moments changed most nearly as ``wanted`` (3,), and by how much it missed one."""
    before, aim, nearest, best = spectra(waveform)[speech], wanted, waveform, np.inf
    for _ in range(N_CORRECTIONS):
        gain = _solve(before, aim, start) @ COSINES
        if np.abs(gain).max() > MAX_GAIN:
            break
        shaped = _filtered(waveform, speech, gain)
        missed = wanted - (_medians(spectra(shaped)[speech]) - _medians(before))
        if np.abs(missed).max() < best:
            nearest, best = shaped, float(np.abs(missed).max())
        if best < TOLERANCE:
            break
        aim = aim + DAMPING * missed
    return nearest, best


def speech_frames(waveform: np.ndarray) -> np.ndarray:
    """Which frames (T // 160,) of a waveform (T,) are speech: those within 40 dB of its loud ones.

    Raises ShapingError on silence, NaN and less than a frame.
    """
    energy = (spectra(waveform) ** 2).sum(axis=1)
    if not energy.size or not np.isfinite(energy).all() or not energy.any():
        raise ShapingError("silence, NaN, or less than a frame of 10 ms")
    return energy > np.percentile(energy, 95) * 10 ** (-SPEECH_RANGE / 10)


def log_moments(magnitudes: np.ndarray) -> np.ndarray:
    """Natural logarithms (3, L) of centroid, spread and kurtosis of each of the frames (L, K)."""
    return np.log(spectral_moments(magnitudes))


def _medians(magnitudes: np.ndarray) -> np.ndarray:
    return np.median(log_moments(magnitudes), axis=1)


def _middle(magnitudes: np.ndarray) -> np.ndarray:
    """Means (3,) of the middle frames of each moment: the median, made smooth."""
    ordered = np.sort(log_moments(magnitudes), axis=1)
    cut = int((1 - MIDDLE) / 2 * ordered.shape[1])
    return ordered[:, cut : ordered.shape[1] - cut].mean(axis=1)


def _solve(magnitudes: np.ndarray, change: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Coefficients (B,) nearest to ``start`` that change the log moments of frames (L, K) by ``change`` (3,).

    Gauss-Newton for an underdetermined system: each step goes to the point nearest to ``start`` on the linearised
    constraints, halved until it gains. Ends where a step gains nothing more; the caller judges what was reached.
    """
    moments = partial(_moments_after, magnitudes)
    wanted, x = moments(np.zeros(N_COSINES)) + change, start
    for _ in range(N_STEPS):
        missed = wanted - moments(x)
        slope = np.stack([moments(x + step) - moments(x - step) for step in np.eye(N_COSINES) / 2], axis=1)
        move = start + np.linalg.pinv(slope) @ (slope @ (x - start) + missed) - x
        better = [x + move / part for part in (1, 2, 4, 8, 16) if _smaller(wanted - moments(x + move / part), missed)]
        if np.abs(missed).max() < TOLERANCE / 10 or not better:
            break
        x = better[0]
    return x


def _moments_after(magnitudes: np.ndarray, x: np.ndarray) -> np.ndarray:
    return _middle(magnitudes * 10 ** (x @ COSINES / 20))


def _smaller(missed: np.ndarray, before: np.ndarray) -> bool:
    return np.abs(missed).sum() < np.abs(before).sum()


def _filtered(waveform: np.ndarray, speech: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """A waveform (T,) with a gain (K,) in dB, zero-phase, and the RMS that its speech frames had."""
    n_fft = 1 << (len(waveform) + 2 * N_FFT).bit_length()  # room for the ends of the filter, no wrapping round
    frequencies = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)
    factor = 10 ** (np.interp(frequencies, FREQUENCIES, gain) / 20)
    filtered = np.fft.irfft(np.fft.rfft(waveform, n_fft) * factor, n_fft)[: len(waveform)]
    return filtered * (speech_level(waveform, speech) / speech_level(filtered, speech))


def speech_level(waveform: np.ndarray, speech: np.ndarray) -> float:
    """RMS of the samples of a waveform (T,) that are in speech frames (T // 160,)."""
    return float(np.sqrt(np.mean(waveform[: len(speech) * HOP].reshape(-1, HOP)[speech] ** 2)))
