"""Random draws that depend on a seed and on names alone, so that neither order nor interruption leaves a trace."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from emotrace.corpus.datadir import Utterance


class Level(StrEnum):
    """One pseudo-speaker per speaker (SSL-SAS's default) or per utterance (VPC 2024)."""

    SPEAKER = "speaker"
    UTTERANCE = "utterance"


@dataclass(frozen=True)
class Selection:
    """How pseudo-speakers are drawn: level "utterance" (VoicePrivacy 2024) or "speaker" (SSL-SAS), numbers, seed.

    The paper's 200 farthest and 100 of them need a pool of hundreds of speakers a gender; ours is small, so both
    numbers are scaled to it in the same proportion, and recorded in every result.
    """

    level: str = "utterance"
    n_farthest: int = 20
    n_random: int = 10
    seed: str = "2020"

    def invocation(self, name: str) -> Selection:
        """The same selection drawn anew, as a separate invocation of the anonymiser."""
        return replace(self, seed=f"{self.seed}/{name}")

    def rng(self, utterance: Utterance) -> random.Random:
        """The random numbers of an utterance, or at level "speaker" of its speaker."""
        return generator(self.seed, Level(self.level), utterance.speaker, utterance.id)


class Replacement(NamedTuple):
    """What stands for the speaker in an IR: an embedding (E,) and, where F0 goes with it, a mean F0 in Hz."""

    speaker: Tensor
    register: float | None = None


def generator(seed: str, level: Level, speaker: str, utterance: str) -> random.Random:
    """The random numbers of a speaker, or of one of its utterances; another seed makes another invocation."""
    names = (seed, speaker) if level is Level.SPEAKER else (seed, speaker, utterance)
    return random.Random("/".join(names))
