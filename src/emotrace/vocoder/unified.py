"""The unified vocoder of the paper: one HiFi-GAN from the IR to the waveform, as SSL-SAS has it.

Axes: B batch, D IR channels, L frames (100/s), T samples at 16 kHz.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from emotrace.vocoder.hifigan import HifiGan, HifiGanConfig
from emotrace.vocoder.universal import normalise_peak
from emotrace.weights import ModelFolder, load_model


class Unified:
    """A generator (B, D, L) -> (B, 1, T) of one IR."""

    def __init__(self, generator: HifiGan, device: str = "cpu"):
        self.generator, self.device = generator.to(device), device

    @staticmethod
    def models(ir: str) -> tuple[str, ...]:
        """The generator of the IR."""
        return (f"unified-{ir}",)

    @staticmethod
    def files() -> tuple[Path, ...]:
        """None."""
        return ()

    @classmethod
    def load(cls, models: ModelFolder, ir: str, device: str = "cpu") -> Unified:
        """Raises ModelError where the generator is not there, CheckpointError where it is damaged."""
        return cls(load_model(HifiGan, HifiGanConfig, models.path(f"unified-{ir}")), device)

    def __call__(self, ir: Tensor, n_samples: int) -> Tensor:
        """IR (D, L) -> waveform (n_samples,), silent where the IR ends early. Raises ValueError on NaN."""
        with torch.inference_mode():
            audio = self.generator(ir[None].to(self.device))[0, 0, :n_samples].cpu()
        return normalise_peak(torch.nn.functional.pad(audio, (0, n_samples - len(audio))))
