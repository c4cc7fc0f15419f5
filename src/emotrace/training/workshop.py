"""Where and how long the study's models are trained."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from emotrace.models import Models
from emotrace.training.data import COPY_SPEEDS, TrainingSet, load_training_set, with_copies
from emotrace.training.export import TrainingData, write_card, write_model
from emotrace.training.loop import LoopConfig, Recipe, TrainingRecord, fit


@dataclass(frozen=True)
class Budget:
    """Optimiser steps of every model; the defaults cost about 1.2 CPU-hours on one thread."""

    hubert: int = 2_500
    hubert_again: int = 4_000
    hubert_phones: int = 4_000
    soft: int = 400
    ecapa: int = 400
    gst: int = 1_000
    acoustic: int = 1_000
    unified_mel: int = 1_200
    unified_gan: int = 200


@dataclass(frozen=True)
class Workshop:
    """Data directories to learn from, a folder for checkpoints, a folder for finished models, budget and seed."""

    data: tuple[Path, ...]
    work: Path
    out: Path
    budget: Budget = field(default_factory=Budget)
    seed: int = 0

    @cached_property
    def training_set(self) -> TrainingSet:
        """Read and neutral speech of the data directories, in memory."""
        return load_training_set(self.data)

    @cached_property
    def augmented_set(self) -> TrainingSet:
        """The training set with its copies at other speeds."""
        return with_copies(self.training_set, self.work / "copies")

    @cached_property
    def models(self) -> Models:
        """The models that are finished already."""
        return Models(self.out)

    def fit(
        self, name: str, recipe: Recipe, steps: int, *, needs: Sequence[str] = (), precision: str = "no"
    ) -> TrainingRecord:
        """Run the loop, resuming the checkpoint of the same data, steps, seed and versions of the models it ``needs``.

        Another version of any of these starts anew, in a folder of its own.
        """
        versions = [self.models.sha256(model) for model in needs]
        inputs = repr((self.describe(), COPY_SPEEDS, steps, self.seed, versions)).encode()
        folder = self.work / f"{name}-{hashlib.sha256(inputs).hexdigest()[:12]}"
        return fit(recipe, LoopConfig(steps=steps, seed=self.seed, precision=precision), folder)

    def ship(
        self,
        name: str,
        tensors: Mapping[str, Tensor],
        config: Mapping[str, Any],
        *,
        purpose: str,
        records: Mapping[str, TrainingRecord],
        notes: str = "",
        augmented: bool = True,
    ) -> None:
        """Write a finished model with its card to the folder ``name`` of ``out``; ``augmented``: it heard the copies."""
        folder = self.out / name
        if augmented:
            notes = f"{notes} Copies at speeds {', '.join(map(str, COPY_SPEEDS))} count as further speakers.".strip()
        write_model(folder, tensors, config)
        write_card(folder, purpose=purpose, data=self.describe(), records=records, notes=notes, seed=self.seed)

    def describe(self) -> TrainingData:
        """What a model card says of the data."""
        names = tuple("/".join(folder.parts[-2:]) for folder in self.data)
        return TrainingData(names, len(self.training_set.utterances), round(self.training_set.seconds / 3600, 3))
