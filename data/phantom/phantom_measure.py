"""What can be measured on the shipped audio, and whether it agrees with truth.csv. Needs the project, not the maker.

Letters: T samples at 16 kHz, L frames, K frequency bins.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from phantom_design import ALL_CUES, items

from emotrace.corpus.audio import SAMPLE_RATE, load_audio
from emotrace.evaluation.acoustics import f0_range, spectra
from emotrace.representation.f0 import yaapt_f0

TOLERANCE = {"f0_mean_hz": 0.10, "f0_range_st": 0.10, "speech_seconds": 0.10}  # relative
LEVEL_TOLERANCE_DB = 0.5
SPEECH_DB = -40.0
WINDOW, STEP = 320, 80


def measure(waveform: np.ndarray) -> dict[str, float]:
    """Measured values of one utterance (T,), under the names of truth.csv.

    f0_mean_hz and f0_range_st over the voiced frames of YAAPT; speech_seconds from the first to the last window of
    20 ms (every 5 ms) that is within 40 dB of the loudest; level_dbfs is the RMS level of that stretch.
    """
    f0 = yaapt_f0(waveform).numpy()
    start, stop = speech_extent(waveform)
    return {
        "f0_mean_hz": float(f0[f0 > 0].mean(dtype=np.float64)),
        "f0_range_st": f0_range(f0[f0 > 0]),
        "speech_seconds": (stop - start) / SAMPLE_RATE,
        "level_dbfs": 10 * float(np.log10(np.mean(waveform[start:stop].astype(np.float64) ** 2))),
    }


def speech_extent(waveform: np.ndarray) -> tuple[int, int]:
    """First and last sample of the speech in (T,). Each window counts as its middle step, so nothing is added."""
    windows = np.lib.stride_tricks.sliding_window_view(waveform.astype(np.float64), WINDOW)[::STEP]
    power = np.mean(windows**2, axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (SPEECH_DB / 10))
    middle = (WINDOW - STEP) // 2
    return loud[0] * STEP + middle, loud[-1] * STEP + middle + STEP


def tilt_difference(waveform: np.ndarray, reference: np.ndarray) -> float:
    """Spectral tilt of (T,) minus that of the reference (T',) in dB per octave, 200 Hz to 7 kHz.

    Slope, over octaves, of the difference between both mean power spectra; every octave weighs the same.
    """
    ratio = 10 * np.log10(_mean_power(waveform) / _mean_power(reference))
    frequency = np.linspace(0, SAMPLE_RATE / 2, len(ratio))
    inside = (frequency >= 200) & (frequency <= 7000)
    # polyfit weighs residuals, not their squares
    slope, _ = np.polyfit(np.log2(frequency[inside]), ratio[inside], 1, w=frequency[inside] ** -0.5)
    return float(slope)


def band_periodicity(waveform: np.ndarray) -> float:
    """How periodic (T,) is from 1.5 to 4 kHz, where breathiness puts its noise: towards 1 for a buzz, 0 for noise.

    Median over voiced frames of the largest normalised correlation of one F0 period with what comes one period (within
    5 %) later, at four times the sampling rate. F0 by YAAPT.
    """
    spectrum = np.fft.rfft(waveform)
    frequency = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE)
    band = np.fft.irfft(spectrum * ((frequency > 1500) & (frequency < 4000)), 4 * len(waveform))
    frames = [(4 * 160 * place, 4 * SAMPLE_RATE / hertz) for place, hertz in enumerate(yaapt_f0(waveform)) if hertz > 0]
    inside = [(centre, period) for centre, period in frames if 1.1 * period < centre < len(band) - 1.1 * period]
    return float(np.median([_correlation(band, centre, float(period)) for centre, period in inside]))


def check(folder: Path) -> list[str]:
    """Everything in which a data directory disagrees with its truth.csv or with the design; empty if nothing."""
    truth = pd.read_csv(folder / "truth.csv").set_index("utterance")
    wanted = {item.id: item for item in items(folder.name)}
    if list(truth.index) != list(wanted):
        return [f"{folder / 'truth.csv'}: its utterances are not those of the design"]
    problems = []
    for utterance, row in truth.iterrows():
        cues = wanted[utterance].cues
        problems += [
            f"{utterance}: {name} is {row[name]} in truth.csv, {getattr(cues, name)} in the design"
            for name in ALL_CUES
            if row[name] != getattr(cues, name)
        ]
        problems += _deviations(utterance, row, measure(load_audio(folder / "audio" / f"{utterance}.flac")))
    return problems


def _correlation(band: np.ndarray, centre: int, period: float) -> float:
    size = int(period)
    frame = band[centre - size : centre]
    later = [band[centre - size + lag :][:size] for lag in range(int(0.95 * period), int(1.05 * period) + 2)]
    return max(frame @ other / np.sqrt((frame @ frame) * (other @ other)) for other in later)


def _deviations(utterance: str, truth: pd.Series, measured: dict[str, float]) -> list[str]:
    off = [name for name, share in TOLERANCE.items() if abs(measured[name] / truth[name] - 1) > share]
    if abs(measured["level_dbfs"] - truth["level_dbfs"]) > LEVEL_TOLERANCE_DB:
        off.append("level_dbfs")
    return [f"{utterance}: {name} measured {measured[name]:.3f}, truth {truth[name]:.3f}" for name in off]


def _mean_power(waveform: np.ndarray) -> np.ndarray:
    return np.mean(spectra(waveform) ** 2, axis=0)
