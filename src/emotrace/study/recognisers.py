"""The recognisers of a study by the names in its `Backends`; each is made once per process."""

from functools import lru_cache

from emotrace.evaluation.asr import ASR_BACKENDS, Recogniser
from emotrace.evaluation.asv import ASV_BACKENDS, SpeakerEncoder
from emotrace.evaluation.ser import SER_BACKENDS, EmotionRecogniser, FoldRecogniser


@lru_cache(maxsize=2)
def speech_recogniser(name: str, device: str) -> Recogniser:
    return ASR_BACKENDS[name]()


@lru_cache(maxsize=2)
def speaker_encoder(name: str, device: str) -> SpeakerEncoder:
    return ASV_BACKENDS[name]()


@lru_cache(maxsize=4)
def emotion_recogniser(name: str, device: str) -> EmotionRecogniser | FoldRecogniser:
    return SER_BACKENDS[name]()
