"""F0 of audio as it stands. T samples at 16 kHz, L frames (100 per second).

The tracker is not the one whose F0 goes into an intermediate representation (`representation.f0`), so an output is not
judged by the errors that it was made from.
"""

import numpy as np
import pyworld

from emotrace.corpus.audio import SAMPLE_RATE
from emotrace.representation.f0 import require_trackable

LOWEST, HIGHEST = 60.0, 500.0  # Hz


def world_f0(waveform: np.ndarray) -> np.ndarray:
    """F0 of a waveform (T,) in Hz: (T // 160 + 1,), 0 where unvoiced; value l is centred on sample 160 l.

    WORLD's DIO, refined by StoneMask (Morise, Yokomori and Ozawa, IEICE Trans. 2016), from 60 to 500 Hz. Raises
    F0Error as `yaapt_f0` does.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    require_trackable(samples)
    rough, seconds = pyworld.dio(samples, SAMPLE_RATE, f0_floor=LOWEST, f0_ceil=HIGHEST, frame_period=10.0)
    return pyworld.stonemask(samples, rough, seconds, SAMPLE_RATE)
