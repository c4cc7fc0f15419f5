"""Random draws that depend on a seed and on names alone, so that neither order nor interruption leaves a trace."""

from __future__ import annotations

import random
from enum import StrEnum


class Level(StrEnum):
    """One pseudo-speaker per speaker (SSL-SAS's default) or per utterance (VPC 2024)."""

    SPEAKER = "speaker"
    UTTERANCE = "utterance"


def generator(seed: str, level: Level, speaker: str, utterance: str) -> random.Random:
    """The random numbers of a speaker, or of one of its utterances; another seed makes another invocation."""
    names = (seed, speaker) if level is Level.SPEAKER else (seed, speaker, utterance)
    return random.Random("/".join(names))
