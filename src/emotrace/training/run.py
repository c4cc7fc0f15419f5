"""Where and how long the study's models are trained, and how they are saved: weights, configuration, model card."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from emotrace.corpus.files import atomic_file, write_text_atomic
from emotrace.training.data import COPY_SPEEDS, TrainingFeatures, TrainingSet, load_training_set, with_copies
from emotrace.training.loop import LoopConfig, Recipe, TrainingRecord, fit, state
from emotrace.training.unified import PAPER, JointConfig, UnifiedConfig
from emotrace.weights import CONFIG, WEIGHTS, ModelFolder, write_weights

CARD = "card.json"
SHARE_ALIKE = {"ravdess": "RAVDESS", "nemo": "nEMO"}  # corpora under CC BY-NC-SA 4.0, by the folder of their import


@dataclass(frozen=True)
class Steps:
    """Optimiser steps of every model, and how vocoders learn from waveforms.

    The three of HuBERT are its iterations: on clusters of MFCC, on clusters of its own T6, on aligned phones. An
    acoustic model takes about seven minutes on one thread.
    """

    hubert: int = 2_500
    hubert_clusters: int = 4_000
    hubert_phones: int = 4_000
    soft: int = 400
    soft_head: int = 2_000
    ecapa: int = 2_000
    gst: int = 1_000
    acoustic: int = 3_000
    unified: UnifiedConfig = PAPER
    joint: JointConfig = JointConfig()


@dataclass(frozen=True)
class TrainingData:
    """What a card says of the data: names of the directories, utterances, hours, whether emotional speech is in it."""

    corpora: tuple[str, ...]
    utterances: int
    hours: float
    emotional: bool = False


@dataclass(frozen=True)
class TrainingRun:
    """What models are trained from, how long, and where their checkpoints and they themselves lie.

    Started by `accelerate launch`, all processes train each model together.
    """

    data: tuple[Path, ...]  # directories to learn from
    work: Path  # folder of checkpoints, features and copies of the speech
    out: Path  # folder of the finished models, which later ones build on
    steps: Steps = Steps()
    seed: int = 0  # of every random choice
    precision: str = "no"  # float32; or "bf16" for the forward passes
    copies: tuple[float, ...] = COPY_SPEEDS  # speeds at which the speech is learned from once more
    emotional: bool = False  # whether emotional speech is learned from, too

    @cached_property
    def training_set(self) -> TrainingSet:
        """Read and neutral speech of the data directories, or all of it, in memory."""
        return load_training_set(self.data, emotional=self.emotional)

    @cached_property
    def augmented_set(self) -> TrainingSet:
        """The training set with its copies at other speeds."""
        return with_copies(self.training_set, self.work / "copies", self.copies)

    @property
    def models(self) -> ModelFolder:
        """The models that are finished already."""
        return ModelFolder(self.out)

    @property
    def features(self) -> TrainingFeatures:
        """What the finished models extract from the training speech."""
        return TrainingFeatures(self.models, self.work / "features")

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
        its own. ``snapshot`` and errors are those of `loop.fit`; ModelError where a model is not there.
        """
        versions = [self.models.sha256(model) for model in needs]
        precision = precision if self.precision == "no" else self.precision
        inputs = repr((self.describe(), self.copies, steps, self.seed, versions, settings, precision)).encode()
        folder = self.work / f"{name}-{hashlib.sha256(inputs).hexdigest()[:12]}"
        config = LoopConfig(steps=steps, seed=self.seed, precision=precision, snapshots=tuple(snapshots))
        return fit(recipe, config, folder, snapshot=snapshot)

    def save(
        self,
        name: str,
        tensors: Mapping[str, Tensor],
        config: Mapping[str, Any],
        purpose: str,
        records: Mapping[str, TrainingRecord] = MappingProxyType({}),
        *,
        notes: str = "",
        augmented: bool = True,
    ) -> None:
        """Write a finished model to the folder ``name`` of ``out``, each file atomically; the main process does.

        The weights are in the compact form of `weights`. The card says what the model is for, what it learned from,
        steps, hours, losses, sha256 and licence. ``augmented``: it has learned from the copies.
        """
        if augmented and self.copies:
            notes = f"{notes} Copies at speeds {', '.join(map(str, self.copies))} count as further speakers.".strip()
        if state().is_main_process:
            folder = self.out / name
            with atomic_file(folder / WEIGHTS) as temporary:
                write_weights(temporary, tensors)
            card = {
                "model": name,
                "purpose": purpose,
                "data": asdict(self.describe()),
                "training": {name: asdict(record) for name, record in records.items()},
                "hours": round(sum(record.seconds for record in records.values()) / 3600, 3),
                "seed": self.seed,
                "sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
                "licence": self.licence,
                "notes": notes,
            }
            for file, content in ((CONFIG, config), (CARD, card)):
                write_text_atomic(folder / file, json.dumps(content, indent=2) + "\n")
        state().wait_for_everyone()

    @property
    def licence(self) -> str:
        """The licence of what is trained: that of the strictest corpus. LibriSpeech and LibriTTS are CC BY 4.0."""
        strict = [
            SHARE_ALIKE[name]
            for name in sorted({part for folder in self.data for part in folder.parts[-2:]} & {*SHARE_ALIKE})
        ]
        return (
            f"CC BY-NC-SA 4.0 (trained on {' and '.join(strict)})"
            if strict
            else "CC BY 4.0 (as the speech it learned from)"
        )

    def describe(self) -> TrainingData:
        """What a model card says of the data."""
        names = tuple("/".join(folder.parts[-2:]) for folder in self.data)
        return TrainingData(
            names, len(self.training_set.utterances), round(self.training_set.seconds / 3600, 3), self.emotional
        )
