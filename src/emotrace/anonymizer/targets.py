"""Target speakers: whose acoustic prompt B4-IR takes, and whose number B5-IR.

Axes: N utterances, S speakers, E size of a prompt.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


class TargetError(ValueError):
    """Target speakers that cannot be used as asked."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Acoustic prompts (N, E) of utterances with their speakers and genders ("f" or "m").

    The speakers, in order of first appearance, are numbered from 0.
    """

    speakers: tuple[str, ...]
    genders: tuple[str, ...]
    prompts: Tensor

    def __post_init__(self) -> None:
        if len({len(self.speakers), len(self.genders), len(self.prompts)}) != 1 or self.prompts.ndim != 2:
            raise TargetError("targets have one speaker id, gender and prompt (N, E) per utterance")
        if len(set(zip(self.speakers, self.genders, strict=True))) != len(self.names):
            raise TargetError("a target speaker has two genders")
        if not torch.isfinite(self.prompts).all():
            raise TargetError("an acoustic prompt is NaN or infinite")

    @property
    def names(self) -> tuple[str, ...]:
        """The speakers (S,), each once; the place is the speaker's number."""
        return tuple(dict.fromkeys(self.speakers))

    def draw(self, rng: random.Random, gender: str, exclude: str) -> str:
        """A random speaker of `gender` other than `exclude`. Raises TargetError where there is none."""
        people = dict(zip(self.speakers, self.genders, strict=True))
        others = [name for name, own in people.items() if own == gender and name != exclude]
        if not others:
            raise TargetError(f"there is no other target speaker of gender {gender!r} than {exclude}")
        return rng.choice(others)

    def prompt(self, rng: random.Random, gender: str, exclude: str) -> Tensor:
        """The prompt (E,) of a random utterance of a speaker drawn as `draw` does."""
        name = self.draw(rng, gender, exclude)
        return self.prompts[rng.choice(_places(self.speakers, name))]

    def one_hot(self, name: str) -> Tensor:
        """(S,): 1 at the speaker's number. Raises TargetError for a speaker who is not among the targets."""
        if name not in self.names:
            raise TargetError(f"speaker {name} is not among the {len(self.names)} target speakers")
        return torch.nn.functional.one_hot(torch.tensor(self.names.index(name)), len(self.names)).float()


def _places(speakers: Sequence[str], name: str) -> list[int]:
    return [place for place, own in enumerate(speakers) if own == name]
