"""Soft units of an encoder that stays as it is: only their matrix W is learned.

HuBERT-mini is fine-tuned together with W (`hubert.train_soft`), as in SSL-SAS; Whisper's encoder is too large for that
on a CPU, and too large to ship twice. Labels are clusters of its middle layer, as T6 of HuBERT is.

Axes: B batch, L frames (50/s) of an utterance and l of a crop, C channels, K labels.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.representation.hubert import HEAD_KEY
from emotrace.representation.soft import SoftHead
from emotrace.representation.spec import StreamSpec
from emotrace.training.data import draw_by_length
from emotrace.training.hubert import UNITS, cluster
from emotrace.training.loop import Recipe, from_main, warm_up_then_decay
from emotrace.training.run import TrainingRun

LAST, MIDDLE = StreamSpec("whisper", 6), StreamSpec("whisper", 3)
CROP = 120  # frames: 2.4 s, as HuBERT's soft units are learned from


class HeadPrediction(Recipe):
    """Cross-entropy of soft units against the labels of their frames, from layers (L, C) that are at hand.

    The loss undoes with the square root of the length what normalising along time does, as `hubert.SoftPrediction`.
    """

    def __init__(
        self, layers: Sequence[Tensor], labels: Sequence[np.ndarray], *, steps: int, seed: int, batch_size: int = 16
    ):
        torch.manual_seed(seed)
        scale = nn.ParameterDict({"log": nn.Parameter(torch.tensor(1.0))})
        super().__init__(head=SoftHead(layers[0].shape[1], UNITS), scale=scale)
        self.layers, self.labels, self.batch_size = layers, labels, batch_size
        self.use_adamw("adamw", self.modules, warm_up_then_decay(50, steps), 5e-3)

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops "features" (B, l, C) and the "labels" (B, l) of their frames; utterances as short are left out."""
        lengths = [max(0, len(layer) - CROP) for layer in self.layers]
        features, labels = [], []
        for i in draw_by_length(rng, lengths, self.batch_size):
            start = int(rng.integers(0, lengths[i] + 1))
            features.append(self.layers[i][start : start + CROP])
            labels.append(torch.from_numpy(self.labels[i][start : start + CROP]))
        return {"features": torch.stack(features), "labels": torch.stack(labels)}

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of predicting the labels (B, l) of all frames; the losses by name."""
        units = self.modules["head"](batch["features"])
        logits = units * batch["features"].shape[1] ** 0.5 * self.modules["scale"]["log"].exp()
        loss = F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
        self.descend(loss, accelerator, clipped="head", norm=5.0)
        accuracy = (logits.argmax(-1) == batch["labels"]).float().mean()
        return {"cross_entropy": loss.item(), "accuracy": accuracy.item()}


def train_soft_head(run: TrainingRun) -> None:
    """The matrix of Whisper's soft units, learned on its last layer from clusters of its middle one."""
    found = [(features[LAST], features[MIDDLE]) for features in run.features.each(run.augmented_set, [LAST, MIDDLE])]
    labels = from_main(lambda: cluster([layer.numpy() for _, layer in found], UNITS, run.seed))
    recipe = HeadPrediction([layer for layer, _ in found], labels, steps=run.steps.soft_head, seed=run.seed)
    record = run.fit("soft-whisper", recipe, run.steps.soft_head)
    tensors = {HEAD_KEY: recipe.modules["head"].W}
    config = {"encoder": LAST.name, "layer": LAST.layer, "labels_layer": MIDDLE.layer}
    purpose = f"soft units ({UNITS}) of layer {LAST.layer} of Whisper base's encoder, in SSL-SAS's form"
    notes = "The encoder stays as it is; only W was learned."
    run.save("soft-whisper", tensors, config, purpose, {"soft": record}, notes=notes)
