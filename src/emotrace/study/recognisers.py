"""The recognisers of a study by the names in its `Backends`; each is made once per process.

"vpc" are VoicePrivacy 2024's, from their checkpoints; their device is the backends'. All others run on the CPU.
"""

from functools import lru_cache
from pathlib import Path

from emotrace.evaluation.asr import ASR_BACKENDS, Recogniser
from emotrace.evaluation.asv import ASV_BACKENDS, SpeakerEncoder
from emotrace.evaluation.ser import SER_BACKENDS, EmotionRecogniser, FoldRecogniser

OFFICIAL = "vpc"


@lru_cache(maxsize=2)
def speech_recogniser(name: str, device: str) -> Recogniser:
    """Raises KeyError for an unknown name, CheckpointError where an official model is missing."""
    if name == OFFICIAL:
        from emotrace.released.evaluation_models import VpcAsr  # here: it imports much that the others do not need

        return VpcAsr.load(_checkpoint("vpc_asr"), device=device)
    return ASR_BACKENDS[name]()


@lru_cache(maxsize=2)
def speaker_encoder(name: str, device: str) -> SpeakerEncoder:
    """Errors as of `speech_recogniser`."""
    if name == OFFICIAL:
        from emotrace.released.evaluation_models import VpcAsv

        return VpcAsv.load(_checkpoint("vpc_asv_orig"), device=device)
    return ASV_BACKENDS[name]()


@lru_cache(maxsize=4)
def emotion_recogniser(name: str, device: str) -> EmotionRecogniser | FoldRecogniser:
    """Errors as of `speech_recogniser`."""
    if name == OFFICIAL:
        from emotrace.released.evaluation_models import VpcSer

        return VpcSer.load(_checkpoint("vpc_ser"), device=device)
    return SER_BACKENDS[name]()


def _checkpoint(name: str) -> Path:
    from emotrace.released.registry import find

    return find(name).path()
