"""The McAdams coefficient: formants move, the excitation stays. No training; VoicePrivacy's baseline B2.

Patino, Tomashenko, Todisco, Nautsch and Evans, "Speaker anonymisation using the McAdams coefficient", Interspeech 2021.
Linear prediction splits short frames into an all-pole filter and its residual. The angle phi of each complex pole, in
radians, becomes phi ** alpha; its radius, and so about its bandwidth, stays. With alpha below 1 what lies below 1 rad
(2.5 kHz) rises, and what lies above falls. The filter then gets its own residual. Axes: T samples at 16 kHz, N frames
of 20 ms every 10 ms, W samples of a frame, P order of the prediction.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter
from scipy.signal.windows import hann

from emotrace.anonymizer.draws import Selection
from emotrace.corpus.audio import peak_normalise
from emotrace.corpus.datadir import Utterance
from emotrace.weights import ModelFolder

HOP = 160
FRAME = 2 * HOP
ORDER = 20
WINDOW = np.sqrt(hann(FRAME, sym=False))  # before and after: the squares of frames that overlap sum to one
NOISE = 1e-9  # white noise that the prediction assumes, relative to the energy of a frame: tones stay solvable


class McAdams:
    """Moves the formants of each speaker or utterance by a random coefficient."""

    models: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ("level", "seed")
    range: ClassVar[tuple[float, float]] = (0.5, 0.9)  #: of the coefficient alpha, uniform

    def __init__(self, selection: Selection):
        self.selection = selection

    @classmethod
    def load(cls, models: ModelFolder, selection: Selection) -> McAdams:
        """Needs no model."""
        return cls(selection)

    def __call__(self, waveform: np.ndarray, utterance: Utterance) -> np.ndarray:
        """Waveform (T,) -> waveform (T,), float32, peak 0.95. Raises AudioError on silence."""
        return peak_normalise(move_formants(waveform, self.alpha(utterance)))

    def alpha(self, utterance: Utterance) -> float:
        """The McAdams coefficient of an utterance, or at level "speaker" of its speaker."""
        return self.selection.rng(utterance).uniform(*self.range)


def move_formants(waveform: np.ndarray, alpha: float) -> np.ndarray:
    """A waveform (T,) with the angle phi of each pole at phi ** alpha, float64 (T,); alpha 1 gives it back.

    Raises ValueError unless 0 < alpha <= 1 (angles stay below pi), and on NaN.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"McAdams coefficient {alpha}: above 0, at most 1")
    n_frames = -(-len(waveform) // HOP) + 1
    padded = np.pad(np.asarray(waveform, dtype=np.float64), (HOP, n_frames * HOP - len(waveform)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP] * WINDOW  # (N, W)
    moved = np.stack([_moved(frame, alpha) for frame in frames]) * WINDOW
    added = np.zeros((n_frames + 1, HOP))
    added[:-1] += moved[:, :HOP]
    added[1:] += moved[:, HOP:]
    return added.ravel()[HOP : HOP + len(waveform)]


def _moved(frame: np.ndarray, alpha: float) -> np.ndarray:
    """A windowed frame (W,): its residual through the moved poles. Silence stays."""
    if not frame.any():
        return frame
    coefficients = linear_prediction(frame)
    return lfilter([1.0], move_poles(coefficients, alpha), lfilter(coefficients, [1.0], frame))


def linear_prediction(frame: np.ndarray) -> np.ndarray:
    """Coefficients (P + 1,) of the inverse filter A(z) of a frame (W,) that is not silent.

    By the autocorrelation method, whose poles lie within the unit circle; Burg's leave it on pure tones.
    """
    correlation = np.correlate(frame, frame, "full")[len(frame) - 1 :][: ORDER + 1]
    correlation[0] *= 1 + NOISE
    return np.concatenate([[1.0], -solve_toeplitz(correlation[:-1], correlation[1:])])


def move_poles(coefficients: np.ndarray, alpha: float) -> np.ndarray:
    """Coefficients (P + 1,) of A(z) with the angles of its complex zeros to the power of alpha, those of 1/A(z)."""
    poles = np.roots(coefficients)
    angles = np.abs(np.angle(poles))
    moved = np.abs(poles) * np.exp(1j * np.copysign(angles**alpha, poles.imag))
    return np.real(np.poly(np.where(poles.imag == 0, poles, moved)))
