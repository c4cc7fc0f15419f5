"""Acoustic model and universal HiFi-GAN as one network, from the IR to the waveform, which learns as one.

It begins where the two stages are: an acoustic model that has learned to predict log-mels, and the released vocoder.
Then all of it learns from waveforms, as a unified vocoder does. Of the vocoder a scale and a shift of every channel of
every layer learn and the released weights stay, so a model is as small as an acoustic model.

Axes: B batch, C channels, D IR channels, L IR frames (100/s), M mel frames, T samples at 16 kHz.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torchaudio.functional import resample

from emotrace.representation.mel import FILTER_WIDTH, FRAME, MEL_AUDIO_RATE, mel_frames
from emotrace.representation.streams import SAMPLE_RATE
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel
from emotrace.vocoder.hifigan import FrozenHifiGan
from emotrace.vocoder.universal import TwoStage, load_universal, universal_weights
from emotrace.weights import ModelFolder


class Tuned(nn.Module):
    """A frozen convolution whose output channels are scaled and shifted, at first by 1 and 0."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.frozen = conv
        self.scale = nn.Parameter(torch.ones(conv.out_channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(conv.out_channels, 1, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, 1, L) -> (B, C', 1, L')."""
        return torch.addcmul(self.shift, self.frozen(hidden), self.scale)


class TunedHifiGan(nn.Module):
    """A frozen HiFi-GAN, every convolution of it `Tuned`: (B, 80, M) -> (B, 1, 256 M) at 22.05 kHz."""

    def __init__(self, universal: FrozenHifiGan) -> None:
        super().__init__()
        self.generator = copy.deepcopy(universal.generator)  # the loaded one is shared by the process
        _tune(self.generator)

    def forward(self, mel: Tensor) -> Tensor:
        """(B, 80, M) -> (B, 1, 256 M)."""
        rows = mel[:, :, None].contiguous(memory_format=torch.channels_last)
        return self.generator.synthesise(rows)[:, :, 0]


def _tune(module: nn.Module) -> None:
    """Put a `Tuned` in the place of every convolution below ``module``."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d | nn.ConvTranspose2d):
            setattr(module, name, Tuned(child))
        else:
            _tune(child)


class JointGenerator(nn.Module):
    """IR (B, D, L) -> (B, 1, T = 160 L) at 16 kHz."""

    def __init__(self, acoustic: AcousticModel) -> None:
        super().__init__()
        self.acoustic, self.universal = acoustic, TunedHifiGan(load_universal())

    def forward(self, ir: Tensor) -> Tensor:
        """(B, D, L) -> (B, 1, T). Raises ValueError when the number of channels differs from the model's."""
        samples = ir.shape[2] * FRAME
        wide = self.universal(self.acoustic(ir, mel_frames(samples)))
        return resample(wide, MEL_AUDIO_RATE, SAMPLE_RATE, lowpass_filter_width=FILTER_WIDTH)[..., :samples]

    def weights(self, *, frozen: bool) -> dict[str, Tensor]:
        """Its weights by name: those of the released vocoder, or all others."""
        return {name: weight for name, weight in self.state_dict().items() if frozen == (".frozen." in name)}


class Joint(TwoStage):
    """The two stages with what they have learned together."""

    @staticmethod
    def models(ir: str) -> tuple[str, ...]:
        """The joint model of the IR."""
        return (f"joint-{ir}",)

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The weight file that it began with. Raises FileNotFoundError without it."""
        return (universal_weights(),)

    @classmethod
    def load(cls, models: ModelFolder, ir: str, device: str = "cpu") -> Joint:
        """Raises ModelError where the model is not there or damaged, FileNotFoundError without the released weights."""
        name = f"joint-{ir}"
        generator = JointGenerator(AcousticModel(AcousticConfig(**models.config(name))))
        models.fill(generator, name, generator.weights(frozen=True) | models.tensors(name))
        return cls(generator.acoustic, generator.universal)

    @torch.inference_mode()
    def __call__(self, ir: Tensor, n_samples: int) -> Tensor:
        """IR (D, L) -> waveform (n_samples,). Raises ValueError on NaN."""
        return super().__call__(ir, n_samples)
