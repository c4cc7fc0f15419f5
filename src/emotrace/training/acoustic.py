"""Acoustic models, IR -> log-mel: one recipe, one budget, for every IR of the study.

Loss: L1 of the log-mel and of its differences over time and over bands, all in standard deviations of each band. The
differences weigh against the over-smoothing of plain regression; they are the same for every row.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.training.loop import Recipe, step_all, warm_up_then_decay
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel, aligned_crop

CROP_MEL_FRAMES = 128
STYLE_CHANNELS = 128


class AcousticTraining(Recipe):
    """Learn log-mels (80, M) from whole-utterance IRs (D, L); crops of 1.5 s are cut from both at the same time."""

    def __init__(
        self,
        irs: Sequence[Tensor],
        mels: Sequence[Tensor],
        *,
        steps: int,
        batch_size: int = 8,
        learning_rate: float = 1e-3,
        seed: int = 0,
        style: nn.Module | None = None,
        f0_channel: int | None = None,
    ):
        self.irs, self.mels, self.batch_size = irs, mels, batch_size
        torch.manual_seed(seed)
        self.modules = {"acoustic": new_model(irs, mels, STYLE_CHANNELS if style else 0, f0_channel).train()}
        if style:
            self.modules["style"] = style.train()
        parameters = [parameter for module in self.modules.values() for parameter in module.parameters()]
        self.optimisers = {"adamw": torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)}
        self.schedulers = {"adamw": warm_up_then_decay(self.optimisers["adamw"], 50, steps)}

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        return self.crops(self.draw(rng), rng)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Indices (B,) of utterances, each as likely as it is long."""
        lengths = np.array([mel.shape[1] for mel in self.mels], dtype=np.float64)
        return rng.choice(len(lengths), size=self.batch_size, p=lengths / lengths.sum())

    def crops(self, chosen: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops of the chosen utterances: "ir" (B, D, l), "mel" (B, 80, 128), "start" (B,) in seconds."""
        crops = [cut_pair(self.irs[i], self.mels[i], rng) for i in chosen]
        irs, mels, starts = zip(*crops, strict=True)
        return {"ir": torch.stack(irs), "mel": torch.stack(mels), "start": torch.tensor(starts)}

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        model = self.modules["acoustic"]
        predicted = model(self.complete_ir(batch), CROP_MEL_FRAMES, start=batch["start"])
        losses = mel_losses(predicted, batch["mel"], model.mel_std)
        accelerator.backward(sum(losses.values()))
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        step_all(self)
        return {name: loss.item() for name, loss in losses.items()}

    def complete_ir(self, batch: dict[str, Tensor]) -> Tensor:
        """The IR (B, D, l) that the model reads."""
        return batch["ir"]


def new_model(
    irs: Sequence[Tensor], mels: Sequence[Tensor], extra_channels: int = 0, f0_channel: int | None = None
) -> AcousticModel:
    """A fresh model, normalised to the training data; ``extra_channels`` of the IR are learned, not normalised."""
    plain = AcousticModel(AcousticConfig(irs[0].shape[0], f0_channel))
    plain.fit_normalisation(irs, mels)
    if not extra_channels:
        return plain
    model = AcousticModel(AcousticConfig(irs[0].shape[0] + extra_channels, f0_channel))
    model.mel_mean.copy_(plain.mel_mean)
    model.mel_std.copy_(plain.mel_std)
    model.ir_mean[:-extra_channels].copy_(plain.ir_mean)
    model.ir_std[:-extra_channels].copy_(plain.ir_std)
    return model


def mel_losses(predicted: Tensor, mel: Tensor, std: Tensor) -> dict[str, Tensor]:
    """L1 of two log-mels (B, 80, M) and of their differences over time and bands, in units of ``std`` (80, 1)."""
    error = (predicted - mel) / std
    return {"l1": error.abs().mean(), "time": error.diff(dim=2).abs().mean(), "band": error.diff(dim=1).abs().mean()}


def cut_pair(ir: Tensor, mel: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor, float]:
    """A crop of an utterance: IR (D, l), mel (80, 128) and how much later, in seconds, the mel begins.

    Utterances shorter than the crop are repeated at their last frame.
    """
    first_mel = int(rng.integers(0, max(mel.shape[1] - CROP_MEL_FRAMES, 0) + 1))
    first, count, start = aligned_crop(first_mel, CROP_MEL_FRAMES)
    return _cut(ir, first, count), _cut(mel, first_mel, CROP_MEL_FRAMES), start


def _cut(frames: Tensor, first: int, count: int) -> Tensor:
    piece = frames[:, first : first + count]
    return F.pad(piece, (0, count - piece.shape[1]), mode="replicate") if piece.shape[1] < count else piece
