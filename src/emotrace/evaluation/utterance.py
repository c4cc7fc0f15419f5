"""Everything measured on one utterance by itself: a pure function for worker processes. T samples at 16 kHz."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emotrace.corpus.audio import SAMPLE_RATE
from emotrace.evaluation.acoustics import acoustic_features, oracle_mask
from emotrace.evaluation.asr import ASR_BACKENDS, Recogniser
from emotrace.evaluation.asv import ASV_BACKENDS, SpeakerEncoder
from emotrace.evaluation.metrics import word_errors
from emotrace.evaluation.ser import SER_BACKENDS, EmotionRecogniser


@dataclass(frozen=True)
class Recognisers:
    """The back-ends of an evaluation; one set per process."""

    asr: Recogniser
    asv: SpeakerEncoder
    ser: Mapping[str, EmotionRecogniser]

    @classmethod
    def from_names(cls, asr: str = "pocketsphinx", asv: str = "ge2e", ser: tuple[str, ...] = ("egemaps", "ge2e")):
        """The back-ends of these names. Raises ValueError on an unknown one."""
        for names, known in (((asr,), ASR_BACKENDS), ((asv,), ASV_BACKENDS), (ser, SER_BACKENDS)):
            if unknown := set(names) - set(known):
                raise ValueError(f"unknown back-ends {sorted(unknown)}; known are {', '.join(known)}")
        return cls(ASR_BACKENDS[asr](), ASV_BACKENDS[asv](), {name: SER_BACKENDS[name]() for name in ser})


@dataclass(frozen=True)
class Measurement:
    """What one utterance gave: `columns` for the table of utterances, and vectors for what needs other utterances.

    `embedding` (E,) goes to `asv_scores`, `ser_features` (F,) by recogniser to `cross_validated`.
    """

    columns: dict[str, str | float | int | None]
    embedding: np.ndarray
    ser_features: dict[str, np.ndarray]


def measure_utterance(
    waveform: np.ndarray, original: np.ndarray, text: str | None, recognisers: Recognisers
) -> Measurement:
    """Measure a version (T,) of an utterance whose original is `original` (T',) and whose transcript is `text`.

    Columns: seconds, hypothesis, words, word_errors (all three None without `text`), and those of `acoustic_features`.
    The result depends on the arguments alone, not on what was measured before. Raises ValueError, saying why, on what
    cannot be measured: silence, NaN, less than 0.4 s, a version more than 0.1 s longer or shorter than its original.
    """
    hypothesis = None if text is None else recognisers.asr.transcribe(waveform)
    errors, words = (None, None) if hypothesis is None else word_errors(text, hypothesis)
    columns = {
        "seconds": len(waveform) / SAMPLE_RATE,
        "hypothesis": hypothesis,
        "words": words,
        "word_errors": errors,
        **acoustic_features(waveform, oracle_mask(original)),
    }
    ser_features = {name: recogniser.features(waveform) for name, recogniser in recognisers.ser.items()}
    return Measurement(columns, recognisers.asv.embed(waveform), ser_features)
