"""Rendering: one TTS voice, taken apart by WORLD, put together again with other cues. Maker only.

Letters: N frames of 5 ms, K = 513 spectral bins from 0 to 12 kHz, T samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyworld
from hibari import Hibari
from phantom_design import LEVEL_DBFS, SENTENCES, Item, Speaker
from scipy.ndimage import gaussian_filter1d
from scipy.signal import resample_poly

from emotrace.corpus.audio import SAMPLE_RATE
from emotrace.evaluation.acoustics import f0_range

TTS_RATE = 24_000
FRAME_SECONDS = 0.005
PAD_SECONDS = 0.08
TIMBRE_DB = 6.0
TIMBRE_RIPPLES = 5


@dataclass(frozen=True)
class Sentence:
    """WORLD parameters of one TTS sentence, from the first to the last frame with speech.

    voiced (N,) bool; contour (N,) smooth F0 shape between -1 and 1, also through unvoiced frames; log_power (N, K)
    natural log of the spectral envelope; aperiodicity (N, K) in [0, 1].
    """

    voiced: np.ndarray
    contour: np.ndarray
    log_power: np.ndarray
    aperiodicity: np.ndarray


@cache
def analyse(sentence: str) -> Sentence:
    """Say one sentence of the design and take it apart (Morise et al. 2016, WORLD: harvest, cheaptrick, d4c)."""
    audio = _voice()(SENTENCES[sentence], seed=0).astype(np.float64)
    f0, times = pyworld.harvest(audio, TTS_RATE, f0_floor=90.0, f0_ceil=500.0, frame_period=1000 * FRAME_SECONDS)
    f0 = pyworld.stonemask(audio, f0, times, TTS_RATE)
    power = pyworld.cheaptrick(audio, f0, times, TTS_RATE)
    aperiodicity = pyworld.d4c(audio, f0, times, TTS_RATE)
    level = _frame_levels(audio, len(f0))
    speech = np.flatnonzero(level > -32)
    part = slice(speech[0], speech[-1] + 1)
    voiced = _without_short_runs((f0 > 0) & (level > -24))[part]
    return Sentence(voiced, _smooth_contour(f0[part], voiced), np.log(power[part]), aperiodicity[part])


def render(item: Item) -> tuple[np.ndarray, dict[str, float]]:
    """Render one utterance.

    Returns the waveform (T,) float64 at 16 kHz and the values that resulted (see README: f0_mean_hz, f0_range_st,
    speech_seconds, neutral_seconds, level_dbfs).
    """
    sentence, speaker, cues = analyse(item.sentence), item.speaker, item.cues
    neutral_frames = len(sentence.voiced) / speaker.pace
    n_frames = round(neutral_frames / cues.tempo)
    voiced = _at_tempo(sentence.voiced.astype(float), n_frames) > 0.5
    f0 = _f0(_at_tempo(sentence.contour, n_frames), voiced, speaker, cues.f0_shift_st, cues.f0_range)
    log_power = _warp(_at_tempo(sentence.log_power, n_frames), speaker.formant)
    hertz = np.linspace(0, TTS_RATE / 2, log_power.shape[1])
    gain_db = cues.tilt_db_per_octave * np.log2(np.clip(hertz, 100, 8000) / 1000) + timbre_db(speaker, hertz)
    aperiodicity = _warp(_at_tempo(sentence.aperiodicity, n_frames), speaker.formant)
    aperiodicity = _breathy(aperiodicity, voiced, cues.breathiness, hertz)
    power = np.exp(log_power) * 10 ** (gain_db / 10)
    audio = pyworld.synthesize(f0, power, aperiodicity, TTS_RATE, 1000 * FRAME_SECONDS)
    audio = _at_level(resample_poly(audio, 2, 3), LEVEL_DBFS + cues.level_db)
    values = {
        "f0_mean_hz": float(f0[voiced].mean()),
        "f0_range_st": f0_range(f0[voiced]),
        "speech_seconds": n_frames * FRAME_SECONDS,
        "neutral_seconds": neutral_frames * FRAME_SECONDS,
        "level_dbfs": LEVEL_DBFS + cues.level_db,
    }
    return np.pad(audio, round(PAD_SECONDS * SAMPLE_RATE)), values


def timbre_db(speaker: Speaker, hertz: np.ndarray) -> np.ndarray:
    """A fixed colour of each voice (K,) in dB: a ripple along the mel axis, whose phase is the speaker's.

    It fades out below 450 Hz, where it would hide the fundamental from F0 trackers, and its slope in dB per octave is
    taken out, so that it cannot be mistaken for the tilt cue.
    """
    mel = np.log1p(hertz / 700) / np.log1p(8000 / 700)
    ripple = TIMBRE_DB * np.cos(np.pi * (TIMBRE_RIPPLES * mel + speaker.timbre)) * np.clip((hertz - 150) / 300, 0, 1)
    octave = np.log2(np.clip(hertz, 100, 8000))
    inside = (hertz >= 100) & (hertz <= 8000)
    slope, offset = np.polyfit(octave[inside], ripple[inside], 1, w=1 / np.sqrt(hertz[inside]))
    return ripple - slope * octave - offset


@cache
def _voice() -> Hibari:
    return Hibari()


def _frame_levels(audio: np.ndarray, n_frames: int) -> np.ndarray:
    """RMS level (N,) of 20 ms around each frame, in dB below the loudest."""
    power = np.convolve(audio**2, np.ones(480) / 480, mode="same")
    centres = np.minimum(np.arange(n_frames) * round(FRAME_SECONDS * TTS_RATE), len(audio) - 1)
    level = 10 * np.log10(np.maximum(power[centres], 1e-12))
    return level - level.max()


def _without_short_runs(voiced: np.ndarray, shortest: int = 8) -> np.ndarray:
    """Drop voiced runs below 40 ms: no F0 tracker sees them, so they would be truth that cannot be measured."""
    voiced = voiced.copy()
    edges = np.diff(np.concatenate([[0], voiced.astype(int), [0]]))
    for start, stop in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        if stop - start < shortest:
            voiced[start:stop] = False
    return voiced


def _smooth_contour(f0: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """F0 shape (N,) between -1 and 1: smoothed by 50 ms over voiced frames only, then squashed.

    Squashing turns peaks into plateaus, so that the percentiles of the range do not hang on the few frames at the edge
    of a voiced stretch that an F0 tracker misses.
    """
    semitones = 12 * np.log2(np.where(f0 > 0, f0, 1.0))
    shape = np.clip(semitones - np.median(semitones[voiced]), -6, 6)
    weight = voiced.astype(float)
    smooth = gaussian_filter1d(shape * weight, 10) / (gaussian_filter1d(weight, 10) + 1e-3)
    return np.tanh((smooth - np.median(smooth[voiced])) / smooth[voiced].std())


def _f0(contour: np.ndarray, voiced: np.ndarray, speaker: Speaker, shift_st: float, range_factor: float) -> np.ndarray:
    """F0 (N,) in Hz, 0 where unvoiced, with exactly the wanted mean and range over voiced frames."""
    low, high = np.percentile(contour[voiced], [5, 95])
    hertz = 2 ** (contour * (speaker.range_st * range_factor / (high - low)) / 12)
    wanted = speaker.f0_hz * 2 ** (shift_st / 12)
    return np.where(voiced, hertz * wanted / hertz[voiced].mean(), 0.0)


def _at_tempo(frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Linear interpolation along time, (N, ...) -> (n_frames, ...)."""
    position = np.linspace(0, len(frames) - 1, n_frames)
    left = np.minimum(position.astype(int), len(frames) - 2)
    share = (position - left).reshape(-1, *[1] * (frames.ndim - 1))
    return frames[left] * (1 - share) + frames[left + 1] * share


def _warp(spectrum: np.ndarray, formant: float) -> np.ndarray:
    """Scale the frequency axis of (N, K) by `formant` (above 1: formants move up); the last bin is repeated."""
    bins = np.arange(spectrum.shape[1])
    position = np.minimum(bins / formant, bins[-1])
    left = np.minimum(position.astype(int), bins[-1] - 1)
    share = position - left
    return np.ascontiguousarray(spectrum[:, left] * (1 - share) + spectrum[:, left + 1] * share)


def _breathy(aperiodicity: np.ndarray, voiced: np.ndarray, breathiness: float, hertz: np.ndarray) -> np.ndarray:
    share = breathiness * np.clip((hertz - 500) / 1500, 0, 1)
    return np.where(voiced[:, None], aperiodicity + (1 - aperiodicity) * share, aperiodicity)


def _at_level(audio: np.ndarray, dbfs: float) -> np.ndarray:
    return audio * 10 ** (dbfs / 20) / np.sqrt(np.mean(audio**2))
