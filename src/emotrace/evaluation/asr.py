"""Speech recognition. T samples at 16 kHz."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pocketsphinx

from emotrace.evaluation.metrics import normalise_text
from emotrace.evaluation.signal import to_pcm16


class Recogniser(Protocol):
    """Anything that turns speech into words."""

    def transcribe(self, waveform: np.ndarray) -> str:
        """The words of a waveform (T,) at 16 kHz, upper case without punctuation; empty when none was recognised."""


# Hypotheses kept per frame. The default of 30,000 takes 1.4 times as long for the same words: WER 0.37 and 0.17 against
# 0.36 and 0.17, on 30 utterances of RAVDESS actors 01-12 and 8 of LibriSpeech.
MAX_STATES = 5000


class PocketSphinx:
    """pocketsphinx with its bundled en-us model: small and weak, but the same everywhere (study section 9)."""

    def __init__(self) -> None:
        self._decoder = pocketsphinx.Decoder(loglevel="FATAL", maxhmmpf=MAX_STATES)

    def transcribe(self, waveform: np.ndarray) -> str:
        """The words of a waveform (T,) at 16 kHz, whatever its level and whatever was decoded before it.

        The decoder carries its cepstral mean and noise estimate from one utterance to the next, so the front-end is
        started afresh and normalised over the whole utterance. Raises AudioError on silence and NaN.
        """
        samples = to_pcm16(waveform)
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(samples, no_search=False, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return normalise_text(hypothesis.hypstr) if hypothesis else ""


ASR_BACKENDS: dict[str, Callable[[], Recogniser]] = {"pocketsphinx": PocketSphinx}
