"""The acoustic model of the two-stage route: IR at 100 frames/s -> log-mel of the universal HiFi-GAN.

Axes: B batch, D IR channels, H hidden channels, L IR frames (100/s), M mel frames (22050/256 = 86.13/s).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotrace.vocoder.blocks import ChannelNorm, ConvNext

IR_RATE = 100.0
MEL_RATE = 22_050 / 256
MEL_BANDS = 80
LOWEST, OCTAVES, STEPS = 50.0, 4, 12  # of the pitch code: Hz, and semitones
PITCHES = OCTAVES * STEPS + 1


@dataclass(frozen=True)
class AcousticConfig:
    """Shape of an acoustic model: 1.0 M parameters for 393 input channels with these defaults.

    ``f0_channel``: which channel of the IR is F0 in Hz, 0 where unvoiced, to be read as a pitch code too, if any.
    """

    in_channels: int
    f0_channel: int | None = None
    dim: int = 192
    blocks: int = 6
    kernel: int = 7
    expansion: int = 2
    dropout: float = 0.0


class AcousticModel(nn.Module):
    """IR (B, D, L) -> natural log-mel (B, 80, M); half of the blocks work at 100 frames/s, half at 86.13."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("ir_mean", torch.zeros(config.in_channels, 1))
        self.register_buffer("ir_std", torch.ones(config.in_channels, 1))
        self.register_buffer("mel_mean", torch.zeros(MEL_BANDS, 1))
        self.register_buffer("mel_std", torch.ones(MEL_BANDS, 1))
        self.embed = nn.Conv1d(config.in_channels, config.dim, 1)
        if config.f0_channel is not None:
            self.pitch = nn.Conv1d(PITCHES + 1, config.dim, 1, bias=False)
        self.dropout = nn.Dropout1d(config.dropout)
        self.blocks = nn.ModuleList(
            ConvNext(config.dim, config.kernel, config.expansion * config.dim, scale=1 / config.blocks)
            for _ in range(config.blocks)
        )
        self.head = nn.Sequential(ChannelNorm(config.dim), nn.Conv1d(config.dim, MEL_BANDS, 1))

    def forward(self, ir: Tensor, n_frames: int, *, start: Tensor | float = 0.0) -> Tensor:
        """(B, D, L) -> (B, 80, n_frames); `start` in seconds, one or (B,), is the mel's begin after the IR's begin."""
        if ir.ndim != 3 or ir.shape[1] != self.config.in_channels:
            raise ValueError(f"expected an IR (B, {self.config.in_channels}, L), got {tuple(ir.shape)}")
        hidden = self.embed(self.dropout((ir - self.ir_mean) / self.ir_std))
        if self.config.f0_channel is not None:
            hidden = hidden + self.pitch(pitch_code(ir[:, self.config.f0_channel]))
        half = len(self.blocks) // 2
        for block in self.blocks[:half]:
            hidden = block(hidden)
        hidden = at_mel_frames(hidden, n_frames, start)
        for block in self.blocks[half:]:
            hidden = block(hidden)
        return self.head(hidden) * self.mel_std + self.mel_mean


def pitch_code(f0: Tensor) -> Tensor:
    """F0 (B, L) in Hz, 0 unvoiced -> (B, 50, L): a bump around its semitone from 50 to 800 Hz, and whether voiced.

    Where harmonics fall is no linear function of F0 in Hz, but one of this code.
    """
    voiced = (f0 > 0).float()[:, None]
    octaves = torch.log2(f0.clamp(min=1.0) / LOWEST)[:, None]
    centres = torch.arange(PITCHES, device=f0.device)[:, None] / STEPS
    bump = torch.exp(-0.5 * ((octaves - centres) * STEPS).square())
    return torch.cat([bump * voiced, voiced], dim=1)


def at_mel_frames(hidden: Tensor, n_frames: int, start: Tensor | float = 0.0) -> Tensor:
    """Linear interpolation of (B, H, L) at the CENTRES of n_frames mel frames -> (B, H, n_frames).

    IR frame i covers 10 ms around (i + 0.5) / 100 s; mel frame m is centred at (m + 0.5) * 256 / 22050 s, because the
    mel pads (1024 - 256) / 2 samples on both sides. Beyond the outermost centres the outermost frame is held.
    """
    if n_frames < 1:
        raise ValueError(f"the number of mel frames must be positive, not {n_frames}")
    batch, dim, length = hidden.shape
    start = torch.as_tensor(start, dtype=torch.float32, device=hidden.device).expand(batch)
    times = start[:, None] + (torch.arange(n_frames, device=hidden.device) + 0.5) / MEL_RATE
    position = (times * IR_RATE - 0.5).clamp(0, length - 1)
    lower = position.floor().long().clamp(max=max(length - 2, 0))
    weight = (position - lower)[:, None]
    upper = (lower + 1).clamp(max=length - 1)
    before, after = (hidden.gather(2, index[:, None].expand(batch, dim, n_frames)) for index in (lower, upper))
    return torch.lerp(before, after, weight.to(hidden.dtype))
