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
from math import ceil, floor
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from emotrace.representation.gst import GstEncoder, random_window
from emotrace.representation.mel import gst_log_mel, universal_mel
from emotrace.representation.spec import IRSpec
from emotrace.training.data import draw_by_length, models_of, normalise_to
from emotrace.training.loop import Recipe, warm_up_then_decay
from emotrace.training.run import TrainingRun
from emotrace.vocoder.acoustic import IR_RATE, MEL_RATE, AcousticConfig, AcousticModel

CROP_MEL_FRAMES = 128
GST = {"tokens": 10, "heads": 4, "dims": 128}
SOFT = IRSpec(layer=12, post="soft")


class AcousticTraining(Recipe):
    """Learn log-mels (80, M) from whole-utterance IRs (D, L); crops of 1.5 s are cut from both at the same time.

    With an ``encoder`` the IRs carry no speaker: it learns to embed the style mels (L, 80) of the same utterances, and
    the model reads the embedding at every frame of the IR.
    """

    def __init__(
        self,
        irs: Sequence[Tensor],
        mels: Sequence[Tensor],
        *,
        steps: int,
        batch_size: int = 8,
        seed: int = 0,
        f0_channel: int | None = None,
        encoder: GstEncoder | None = None,
        style_mels: Sequence[Tensor] = (),
    ):
        torch.manual_seed(seed)
        model = new_model(irs, mels, GST["dims"] if encoder else 0, f0_channel)
        super().__init__(acoustic=model, **({"style": encoder} if encoder else {}))
        self.irs, self.mels, self.style_mels, self.batch_size = irs, mels, style_mels, batch_size
        self.use_adamw("adamw", self.modules, warm_up_then_decay(50, steps), 1e-3)

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops "ir" (B, D, l), "mel" (B, 80, 128), "start" (B,) in seconds; windows "style" (B, 256, 80), if any.

        An utterance is drawn in proportion to its length.
        """
        chosen, styles = draw_by_length(rng, [mel.shape[1] for mel in self.mels], self.batch_size), {}
        if self.style_mels:
            windows = random.Random(int(rng.integers(2**31)))
            styles["style"] = torch.stack([random_window(self.style_mels[i], windows) for i in chosen])
        irs, mels, starts = zip(*(cut_pair(self.irs[i], self.mels[i], rng) for i in chosen), strict=True)
        return {"ir": torch.stack(irs), "mel": torch.stack(mels), "start": torch.tensor(starts)} | styles

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of predicting the log-mels of crops from their IRs; the losses by name."""
        model, ir = self.modules["acoustic"], batch["ir"]
        if "style" in batch:
            style = self.modules["style"](batch["style"])
            ir = torch.cat([ir, style[:, :, None].expand(-1, -1, ir.shape[2])], dim=1)
        losses = mel_losses(model(ir, CROP_MEL_FRAMES, start=batch["start"]), batch["mel"], model.mel_std)
        self.descend(sum(losses.values()), accelerator, clipped="acoustic", norm=1.0)
        return {name: loss.item() for name, loss in losses.items()}


def new_model(
    irs: Sequence[Tensor], mels: Sequence[Tensor], extra_channels: int = 0, f0_channel: int | None = None
) -> AcousticModel:
    """A fresh model, normalised to the training data; ``extra_channels`` of the IR are learned, not normalised."""
    model = AcousticModel(AcousticConfig(irs[0].shape[0], f0_channel))
    if extra_channels:  # drawn once more, so that the weights of a seed stay what they were
        model = AcousticModel(AcousticConfig(irs[0].shape[0] + extra_channels, f0_channel))
    normalise_to(model, ir=irs, mel=mels)
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


def aligned_crop(first_mel: int, n_mel: int) -> tuple[int, int, float]:
    """IR frames that cover mel frames [first_mel, first_mel + n_mel): (first IR frame, their number, `start` in s).

    The number depends on n_mel alone, so that crops stack; near the end of an utterance, pad the IR by repetition.
    """
    begin = first_mel / MEL_RATE
    first = floor(begin * IR_RATE)
    return first, ceil(n_mel / MEL_RATE * IR_RATE) + 1, begin - first / IR_RATE


def _cut(frames: Tensor, first: int, count: int) -> Tensor:
    piece = frames[:, first : first + count]
    return F.pad(piece, (0, count - piece.shape[1]), mode="replicate") if piece.shape[1] < count else piece


def train_gst(run: TrainingRun) -> None:
    """The style encoder, with a decoder that is dropped afterwards."""
    data = run.augmented_set
    styles = [gst_log_mel(torch.from_numpy(waveform)[None])[0] for waveform in data.waveforms]
    torch.manual_seed(run.seed)
    encoder = GstEncoder(**GST)
    recipe = _recipe(run, SOFT, run.steps.gst, encoder=encoder, style_mels=styles)
    record = run.fit("gst", recipe, run.steps.gst, needs=models_of(SOFT))
    purpose = "style embedding, 128 dimensions, generative (soft units + F0 + style -> log-mel)"
    notes = "The decoder that learned beside it is dropped."
    run.save("gst", encoder.state_dict(), GST, purpose, {"gst": record}, notes=notes)


def train_acoustic(run: TrainingRun, spec: IRSpec, seed: int | None = None, *, emotional: bool = False) -> None:
    """The acoustic model of one IR, all by the same recipe and steps.

    ``seed`` makes another one, "...-seed<n>"; ``emotional`` one that learns from emotional speech as well,
    "...-emotional".
    """
    name = f"acoustic-{spec.name}"
    if seed is not None:
        run, name = replace(run, seed=seed), f"{name}-seed{seed}"
    if emotional:
        run, name = replace(run, emotional=True), f"{name}-emotional"
    recipe = _recipe(run, spec, run.steps.acoustic)
    record = run.fit(name, recipe, run.steps.acoustic, needs=models_of(spec))
    model = recipe.modules["acoustic"]
    purpose = f"IR {spec.name} ({len(recipe.irs[0])} channels, 100 frames/s) -> log-mel of the universal HiFi-GAN"
    run.save(name, model.state_dict(), vars(model.config), purpose, {"acoustic": record})


def _recipe(run: TrainingRun, spec: IRSpec, steps: int, **style: Any) -> AcousticTraining:
    """Learning the log-mels (80, M) of the universal HiFi-GAN from the IRs of the run's speech."""
    data, features = run.augmented_set, run.features
    irs, f0_channel = features.irs(data, spec), features.f0_channel(data, spec)
    mels = [universal_mel(torch.from_numpy(waveform)) for waveform in data.waveforms]
    return AcousticTraining(irs, mels, steps=steps, seed=run.seed, f0_channel=f0_channel, **style)
