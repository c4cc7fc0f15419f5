"""What every recogniser and detector does to a waveform first: the same level, then 16-bit samples."""

import numpy as np

from emotrace.corpus.audio import level_normalise


def to_pcm16(waveform: np.ndarray) -> bytes:
    """Level-normalised 16-bit little-endian samples of a waveform (T,), for webrtcvad and pocketsphinx.

    Both accept the bytes of a float array without a word, and the values that level normalisation lifts beyond full
    scale would wrap around: they are clipped. Raises AudioError on silence and NaN.
    """
    return np.rint(np.clip(level_normalise(waveform), -1, 1) * 32767).astype("<i2").tobytes()
