"""Where and how long the study's models are trained."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from emotrace.models import Models
from emotrace.training.data import COPY_SPEEDS, TrainingSet, load_training_set, with_copies
from emotrace.training.export import TrainingData, write_card, write_model
from emotrace.training.loop import LoopConfig, Recipe, TrainingRecord, fit
from emotrace.training.processes import state
from emotrace.training.unified import SMALL, UnifiedConfig


@dataclass(frozen=True)
class Budget:
    """Optimiser steps of every model, and how the unified vocoder is trained.

    The defaults cost about 1.2 CPU-hours on one thread.
    """

    hubert: int = 2_500
    hubert_again: int = 4_000
    hubert_phones: int = 4_000
    soft: int = 400
    ecapa: int = 400
    gst: int = 1_000
    acoustic: int = 1_000
    unified: UnifiedConfig = SMALL


@dataclass(frozen=True)
class Workshop:
    """Data directories to learn from, a folder for checkpoints, a folder for finished models, budget and seed.

    ``precision``: "no" (float32) or "bf16". ``copies``: speeds at which the speech is learned from once more. Started
    by `accelerate launch`, all processes train each model together.
    """

    data: tuple[Path, ...]
    work: Path
    out: Path
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    precision: str = "no"
    copies: tuple[float, ...] = COPY_SPEEDS

    @cached_property
    def training_set(self) -> TrainingSet:
        """Read and neutral speech of the data directories, in memory."""
        return load_training_set(self.data)

    @cached_property
    def augmented_set(self) -> TrainingSet:
        """The training set with its copies at other speeds."""
        return with_copies(self.training_set, self.work / "copies", self.copies)

    @cached_property
    def models(self) -> Models:
        """The models that are finished already."""
        return Models(self.out)

    def fit(
        self,
        name: str,
        recipe: Recipe,
        steps: int,
        *,
        needs: Sequence[str] = (),
        settings: object = None,
        precision: str = "no",
        snapshots: Sequence[int] = (),
        snapshot: Callable[[TrainingRecord], None] | None = None,
    ) -> TrainingRecord:
        """Run the loop, resuming the checkpoint of the same data, steps, seed and versions of the models it ``needs``.

        Another version of any of these, or other ``settings`` (a dataclass) or precision, starts anew, in a folder of
        its own. ``snapshot`` is called after each of the ``snapshots`` steps, as `loop.fit` says.
        """
        versions = [self.models.sha256(model) for model in needs]
        precision = precision if self.precision == "no" else self.precision
        inputs = repr((self.describe(), self.copies, steps, self.seed, versions, settings, precision)).encode()
        folder = self.work / f"{name}-{hashlib.sha256(inputs).hexdigest()[:12]}"
        config = LoopConfig(steps=steps, seed=self.seed, precision=precision, snapshots=tuple(snapshots))
        return fit(recipe, config, folder, snapshot=snapshot)

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
        """Write a finished model with its card to the folder ``name`` of ``out``; the main process does.

        ``augmented``: it has heard the copies.
        """
        folder = self.out / name
        if augmented and self.copies:
            notes = f"{notes} Copies at speeds {', '.join(map(str, self.copies))} count as further speakers.".strip()
        if state().is_main_process:
            write_model(folder, tensors, config)
            write_card(folder, purpose=purpose, data=self.describe(), records=records, notes=notes, seed=self.seed)
        state().wait_for_everyone()

    def describe(self) -> TrainingData:
        """What a model card says of the data."""
        names = tuple("/".join(folder.parts[-2:]) for folder in self.data)
        return TrainingData(names, len(self.training_set.utterances), round(self.training_set.seconds / 3600, 3))
