"""Changes made to finished audio, to see what a recogniser of emotion hears. T samples at 16 kHz."""

from collections.abc import Callable

import numpy as np

from emotrace.corpus.audio import peak_normalise

EFFECTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"peak": peak_normalise}
"""By name: waveform (T,) -> waveform (T,)."""
