"""Acoustic models, IR -> log-mel, by one recipe for every IR of the study; and the style encoder, learned beside one.

Loss: L1 of the log-mel and of its differences over time and over bands, all in standard deviations of each band. The
differences weigh against the over-smoothing of plain regression; they are the same for every row.

The global style tokens (Wang et al., "Style tokens", ICML 2018, the encoder as in STTTS) are learned generatively: with
soft units and F0, they must suffice to predict the log-mel. Afterwards only the encoder is kept.

Axes: B batch, D IR channels, L frames (100/s) of an utterance and l of a crop, M frames of the log-mel (86.13/s).
"""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.representation.gst import GstEncoder, random_window
from emotrace.representation.mel import gst_log_mel, universal_mel
from emotrace.representation.spec import IRSpec
from emotrace.training.data import TrainingSet, draw_by_length, models_of
from emotrace.training.loop import Recipe
from emotrace.training.run import TrainingRun
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel, aligned_crop

CROP_MEL_FRAMES = 128
GST = {"tokens": 10, "heads": 4, "dims": 128}
SOFT = IRSpec(layer=12, post="soft")


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
        self.modules = {"acoustic": new_model(irs, mels, GST["dims"] if style else 0, f0_channel).train()}
        if style:
            self.modules["style"] = style.train()
        self.use_adamw(learning_rate, steps)

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops as `crops` says; every utterance is as likely as it is long."""
        return self.crops(self.draw(rng), rng)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Indices (B,) of utterances, each as likely as it is long."""
        return draw_by_length(rng, [mel.shape[1] for mel in self.mels], self.batch_size)

    def crops(self, chosen: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops of the chosen utterances: "ir" (B, D, l), "mel" (B, 80, 128), "start" (B,) in seconds."""
        crops = [cut_pair(self.irs[i], self.mels[i], rng) for i in chosen]
        irs, mels, starts = zip(*crops, strict=True)
        return {"ir": torch.stack(irs), "mel": torch.stack(mels), "start": torch.tensor(starts)}

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of predicting the log-mels of crops from their IRs; the losses by name."""
        model = self.modules["acoustic"]
        predicted = model(self.complete_ir(batch), CROP_MEL_FRAMES, start=batch["start"])
        losses = mel_losses(predicted, batch["mel"], model.mel_std)
        self.descend(sum(losses.values()), accelerator, clipped="acoustic", norm=1.0)
        return {name: loss.item() for name, loss in losses.items()}

    def complete_ir(self, batch: dict[str, Tensor]) -> Tensor:
        """The IR (B, D, l) that the model reads."""
        return batch["ir"]


class StyleTraining(AcousticTraining):
    """Learn an encoder from style mels (L, 80) of the same utterance, through IRs (D, L) that carry no speaker."""

    def __init__(
        self,
        encoder: GstEncoder,
        irs: Sequence[Tensor],
        mels: Sequence[Tensor],
        style_mels: Sequence[Tensor],
        *,
        steps: int,
        **options: float,
    ):
        super().__init__(irs, mels, steps=steps, style=encoder, **options)
        self.style_mels = style_mels

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops, and of each utterance a window for the encoder, "style" (B, 256, 80)."""
        chosen = self.draw(rng)
        windows = random.Random(int(rng.integers(2**31)))
        styles = torch.stack([random_window(self.style_mels[i], windows) for i in chosen])
        return self.crops(chosen, rng) | {"style": styles}

    def complete_ir(self, batch: dict[str, Tensor]) -> Tensor:
        """The IR with the style embedding (B, 128) at every frame: (B, D + 128, l)."""
        style = self.modules["style"](batch["style"])
        return torch.cat([batch["ir"], style[:, :, None].expand(-1, -1, batch["ir"].shape[2])], dim=1)


def new_model(
    irs: Sequence[Tensor], mels: Sequence[Tensor], extra_channels: int = 0, f0_channel: int | None = None
) -> AcousticModel:
    """A fresh model, normalised to the training data; ``extra_channels`` of the IR are learned, not normalised."""
    plain = AcousticModel(AcousticConfig(irs[0].shape[0], f0_channel))
    plain.fit_normalisation(irs, mels)
    if not extra_channels:
        return plain
    model = AcousticModel(AcousticConfig(irs[0].shape[0] + extra_channels, f0_channel))
    for name in ("mel_mean", "mel_std", "ir_mean", "ir_std"):
        moments = getattr(plain, name)
        getattr(model, name)[: len(moments)].copy_(moments)
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


def train_gst(run: TrainingRun) -> None:
    """The style encoder, with a decoder that is dropped afterwards."""
    data, features = run.augmented_set, run.features
    irs, f0_channel = features.irs(data, SOFT), features.f0_channel(data, SOFT)
    styles = [gst_log_mel(torch.from_numpy(waveform)[None])[0] for waveform in data.waveforms]
    torch.manual_seed(run.seed)
    encoder = GstEncoder(**GST)
    options = {"steps": run.steps.gst, "seed": run.seed, "f0_channel": f0_channel}
    recipe = StyleTraining(encoder, irs, _mels(data), styles, **options)
    record = run.fit("gst", recipe, run.steps.gst, needs=models_of(SOFT))
    run.save(
        "gst",
        encoder.state_dict(),
        GST,
        purpose="style embedding, 128 dimensions, generative (soft units + F0 + style -> log-mel)",
        records={"gst": record},
        notes="The decoder that learned beside it is dropped.",
    )


def train_acoustic(run: TrainingRun, spec: IRSpec, seed: int | None = None) -> None:
    """The acoustic model of one IR, all by the same recipe and steps; ``seed`` makes another one, "...-seed<n>"."""
    name = f"acoustic-{spec.name}"
    if seed is not None:
        run, name = replace(run, seed=seed), f"{name}-seed{seed}"
    data, features = run.augmented_set, run.features
    irs, f0_channel = features.irs(data, spec), features.f0_channel(data, spec)
    recipe = AcousticTraining(irs, _mels(data), steps=run.steps.acoustic, seed=run.seed, f0_channel=f0_channel)
    record = run.fit(name, recipe, run.steps.acoustic, needs=models_of(spec))
    model = recipe.modules["acoustic"]
    run.save(
        name,
        model.state_dict(),
        vars(model.config),
        purpose=f"IR {spec.name} ({len(irs[0])} channels, 100 frames/s) -> log-mel of the universal HiFi-GAN",
        records={"acoustic": record},
    )


def _mels(data: TrainingSet) -> list[Tensor]:
    """The log-mel (80, M) of the universal HiFi-GAN of every utterance."""
    return [universal_mel(torch.from_numpy(waveform)) for waveform in data.waveforms]
