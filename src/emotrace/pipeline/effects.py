"""Changes made to finished audio, one quantity each, to see what a recogniser of emotion reacts to.

The amounts are of the size that synthesis causes: on RAVDESS the rows' median centroids lie up to 16 % above the
recordings', their kurtosis medians up to 21 % below, hence factors of 1.15 and 1.25 both ways. SSL-SAS's peak
normalisation raises the recordings by a median of 22 dB; 12 dB leave most of them unclipped. Downwards, the rounding to
16 bits begins to tell: it raises the centroid of quiet recordings by about 1 %. T samples at 16 kHz.
"""

from functools import partial

import numpy as np

from emotrace.corpus.audio import AudioError, peak_normalise
from emotrace.pipeline.spectral_shaping import PEAK, shape_spectrum
from emotrace.registry import Registry

KURTOSIS_FACTOR = 1.25
CENTROID_FACTOR = 1.15
LEVEL_DB = 12.0
RIPPLE_DB = 4.0  # about as much change in dB RMS as the other filters make, for comparison

SHAPES: dict[str, dict[str, float]] = {
    "kurtosis-up": {"kurtosis": KURTOSIS_FACTOR},
    "kurtosis-down": {"kurtosis": 1 / KURTOSIS_FACTOR},
    "centroid-up": {"centroid": CENTROID_FACTOR},
    "centroid-down": {"centroid": 1 / CENTROID_FACTOR},
    "ripple": {"ripple": RIPPLE_DB},
}
"""Arguments of `shape_spectrum`; the moments that are not named, spread included, and the level are held."""
LEVELS: dict[str, float] = {"level-up": LEVEL_DB, "level-down": -LEVEL_DB}
"""Gains in dB."""


def change_level(waveform: np.ndarray, db: float) -> np.ndarray:
    """A waveform (T,) with a plain gain of ``db`` dB; upwards only as far as the peak stays within 0.99.

    So nothing clips, and what is recorded without headroom stays as it is. Raises AudioError on silence and NaN.
    """
    peak = np.abs(waveform).max(initial=0.0)
    if not peak > 0:
        raise AudioError("cannot change the level of silence or NaN")
    return (waveform * min(10 ** (db / 20), max(1.0, PEAK / peak))).astype(np.float32)


EFFECTS = Registry(
    "effect",
    {
        "peak": peak_normalise,
        **{name: partial(change_level, db=db) for name, db in LEVELS.items()},
        **{name: partial(shape_spectrum, **shape) for name, shape in SHAPES.items()},
    },
)
"""By name: waveform (T,) -> waveform (T,), float32, peak at most 1."""
