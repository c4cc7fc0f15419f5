"""Target speakers: whose acoustic prompt B4-IR takes, and whose number B5-IR.

Axes: N utterances, S speakers, E size of a prompt.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from emotrace.anonymizer.draws import Replacement, Selection
from emotrace.representation.features import Features
from emotrace.weights import ModelFolder


class TargetError(ValueError):
    """Target speakers that cannot be used as asked."""


class TargetPrompts:
    """The acoustic prompt of another speaker of the same gender."""

    models: ClassVar[tuple[str, ...]] = ("targets",)
    streams: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ("level", "seed")

    def __init__(self, targets: Targets, selection: Selection):
        self.targets, self.selection = targets, selection

    @classmethod
    def load(cls, models: ModelFolder, selection: Selection) -> TargetPrompts:
        """Raises ModelError where the targets are not there."""
        return cls(load_targets(models), selection)

    def __call__(self, source: Features) -> Replacement:
        """A prompt (160,); of the source only names and gender are read. Raises TargetError."""
        utterance = source.utterance
        return Replacement(self.targets.prompt(self.selection.rng(utterance), utterance.gender, utterance.speaker))


class TargetNumbers(TargetPrompts):
    """The number of another speaker of the same gender."""

    def __call__(self, source: Features) -> Replacement:
        """A one-hot vector (S,); of the source only names and gender are read. Raises TargetError."""
        utterance = source.utterance
        name = self.targets.draw(self.selection.rng(utterance), utterance.gender, utterance.speaker)
        return Replacement(self.targets.one_hot(name))


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


def load_targets(models: ModelFolder) -> Targets:
    """Acoustic prompts (N, 160) of the training utterances, their speakers and genders; copies are speakers too."""
    config = models.config("targets")
    return Targets(tuple(config["speakers"]), tuple(config["genders"]), models.tensors("targets")["prompts"].float())


def _places(speakers: Sequence[str], name: str) -> list[int]:
    return [place for place, own in enumerate(speakers) if own == name]
