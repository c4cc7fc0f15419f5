"""What probes are asked for frame by frame: energy, spectral tilt, F0. T samples at 16 kHz, L frames.

Frames are HuBERT's: 25 ms every 20 ms, frame l over samples 320 l to 320 l + 399, L = (T - 400) // 320 + 1.
"""

import numpy as np

from emotrace.corpus.audio import SAMPLE_RATE

FRAME, HOP = 400, 320
SPEECH_DB = 40.0  # frames within this distance of the loudest are speech; RAVDESS is trimmed by the same rule
FLOOR_DB = -120.0  # level of digital silence
BAND_EDGES = 125.0 * 2 ** (np.arange(13) / 2)  # Hz, half-octave bands up to 8 kHz
ROUNDING = 1e-6  # relative: the last edge is the last bin


def frame_levels(waveform: np.ndarray) -> np.ndarray:
    """Level (L,) of each frame of a waveform (T,): mean square in dB re full scale, at least -120 dB.

    Raises ValueError for anything but (T,) with T of at least 400 samples.
    """
    power = np.square(_frames(waveform)).mean(axis=1)
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def speech_frames(levels: np.ndarray) -> np.ndarray:
    """Which frames (L,) are speech: those within 40 dB of the loudest. Never none, unless all is digital silence."""
    return (levels > levels.max() - SPEECH_DB) & (levels > FLOOR_DB)


def relative_energy(levels: np.ndarray) -> np.ndarray:
    """Level (L,) of each speech frame relative to the utterance's speech level, in dB; NaN in other frames.

    The speech level is that of the mean power over all speech frames, so gain leaves no trace.
    """
    speech = speech_frames(levels)
    if not speech.any():
        return np.full(len(levels), np.nan)
    speech_level = 10 * np.log10(np.mean(10 ** (levels[speech] / 10)))
    return np.where(speech, levels - speech_level, np.nan)


def spectral_tilt(waveform: np.ndarray) -> np.ndarray:
    """Spectral tilt (L,) of a waveform (T,) in dB per octave: negative where the high frequencies are weaker.

    Least-squares slope of the level of twelve half-octave bands, 125 Hz to 8 kHz, over the logarithm of frequency;
    every octave weighs the same. The level of a band is its mean power per bin (Hann window of 25 ms, bins of 40 Hz),
    so a click has tilt 0; white noise has 0.4 on average, for the logarithm of a mean of few bins is low. Raises
    ValueError as `frame_levels` does.
    """
    power = np.abs(np.fft.rfft(_frames(waveform) * np.hanning(FRAME + 1)[:-1])) ** 2
    frequency = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    band = np.searchsorted(BAND_EDGES * np.append(np.ones(12), 1 + ROUNDING), frequency, side="right") - 1
    levels = np.stack([power[:, band == number].mean(axis=1) for number in range(12)], axis=1)
    octaves = np.arange(12) / 2
    weights = (octaves - octaves.mean()) / np.square(octaves - octaves.mean()).sum()
    return 10 * np.log10(np.maximum(levels, 10 ** (FLOOR_DB / 10))) @ weights


def log_f0(f0: np.ndarray, frames: int) -> np.ndarray:
    """log2 of F0 in Hz (frames,) from a track of 100 values a second (Hz, 0 unvoiced); NaN where unvoiced.

    YAAPT's value j is centred on sample 160 j, frame l on sample 320 l + 200: the nearest is j = 2 l + 1.
    Raises ValueError when the track is too short for the frames.
    """
    if len(f0) < 2 * frames:
        raise ValueError(f"an F0 track of {len(f0)} values does not cover {frames} frames of 20 ms")
    nearest = np.asarray(f0, dtype=np.float64)[1 : 2 * frames : 2]
    return np.log2(nearest, out=np.full(frames, np.nan), where=nearest > 0)


def _frames(waveform: np.ndarray) -> np.ndarray:
    samples = np.asarray(waveform, dtype=np.float64)
    if samples.ndim != 1 or len(samples) < FRAME:
        raise ValueError(f"frames of 25 ms need a waveform (T,) of at least {FRAME} samples, got {samples.shape}")
    return np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
