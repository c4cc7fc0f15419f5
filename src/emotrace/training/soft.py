"""The soft predictor: a copy of HuBERT fine-tuned, with a projection W, to predict the discrete unit of each frame.

Source: van Niekerk et al., "A comparison of discrete and soft speech units" (ICASSP 2022), in the form of SSL-SAS
(study section 5): features normalised along time, rows of W normalised. That form's logits shrink with the length of
the utterance; the loss undoes it with the square root of the length and a learned scale, which inference does not need
because the IR is layer-normalised.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.representation.hubert import Hubert
from emotrace.representation.soft import SoftHead
from emotrace.training.hubert import Targets, aligned_crops, whole_frames
from emotrace.training.loop import Recipe, step_all, warm_up_then_decay


class SoftPrediction(Recipe):
    """Cross-entropy of soft units against the k-means units of the pretrained model."""

    def __init__(
        self,
        hubert: Hubert,
        head: SoftHead,
        waveforms: Sequence[np.ndarray],
        targets: Targets,
        *,
        steps: int,
        batch_size: int = 8,
        seconds: float = 2.4,
        learning_rate: float = 5e-4,
    ):
        self.waveforms, self.targets, self.batch_size = waveforms, targets, batch_size
        self.samples = whole_frames(seconds)
        scale = nn.ParameterDict({"log": nn.Parameter(torch.tensor(1.0))})
        self.modules = {"hubert": hubert.train(), "head": head, "scale": scale}
        parameters = [parameter for module in self.modules.values() for parameter in module.parameters()]
        self.optimisers = {"adamw": torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)}
        self.schedulers = {"adamw": warm_up_then_decay(self.optimisers["adamw"], 50, steps)}

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        waveform, labels = aligned_crops(self.waveforms, self.targets.labels, rng, self.batch_size, self.samples)
        return {"waveform": waveform, "labels": labels}

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of predicting the labels (B, L) of all frames of waveforms (B, T); the losses by name."""
        features = self.modules["hubert"](batch["waveform"])[-1]
        units = self.modules["head"](features)
        logits = units * features.shape[1] ** 0.5 * self.modules["scale"]["log"].exp()
        loss = F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
        accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self.modules["hubert"].parameters(), 5.0)
        step_all(self)
        accuracy = (logits.argmax(-1) == batch["labels"]).float().mean()
        return {"cross_entropy": loss.item(), "accuracy": accuracy.item()}
