"""A small unified vocoder: ConvNeXt blocks at the IR's rate and an inverse STFT as output stage.

Axes: B batch, C channels, L frames (100/s), F frequency bins, N window samples, T samples at 16 kHz.
Source: Siuzdak 2024 (Vocos), section 3: magnitude and phase of every frame come from one linear layer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import fold

from emotrace.vocoder.blocks import ChannelNorm, ConvNext

MAX_MAGNITUDE = 100.0  # Vocos' safeguard against exploding exponentials


@dataclass(frozen=True)
class IstftConfig:
    """Shape of an iSTFT generator: 1.9 M parameters for 393 input channels with these defaults."""

    in_channels: int
    dim: int = 256
    blocks: int = 6
    kernel: int = 7
    expansion: int = 2
    n_fft: int = 640
    hop: int = 160

    def __post_init__(self) -> None:
        if self.n_fft % self.hop or (self.n_fft - self.hop) % 2:
            raise ValueError(f"n_fft {self.n_fft} must be a multiple of hop {self.hop} and exceed it by an even number")


class IstftGenerator(nn.Module):
    """IR (B, C, L) -> (B, 1, T = L * hop); input channels are standardised by buffers."""

    def __init__(self, config: IstftConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("ir_mean", torch.zeros(config.in_channels, 1))
        self.register_buffer("ir_std", torch.ones(config.in_channels, 1))
        self.embed = nn.Conv1d(config.in_channels, config.dim, 1)
        self.norm = ChannelNorm(config.dim)
        self.blocks = nn.Sequential(
            *(
                ConvNext(config.dim, config.kernel, config.expansion * config.dim, scale=1 / config.blocks)
                for _ in range(config.blocks)
            )
        )
        self.head = nn.Sequential(ChannelNorm(config.dim), nn.Conv1d(config.dim, config.n_fft + 2, 1))
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def forward(self, ir: Tensor) -> Tensor:
        """(B, C, L) -> (B, 1, T). Raises ValueError when the number of channels differs from the configuration's."""
        if ir.ndim != 3 or ir.shape[1] != self.config.in_channels:
            raise ValueError(f"expected an IR (B, {self.config.in_channels}, L), got {tuple(ir.shape)}")
        hidden = self.blocks(self.norm(self.embed((ir - self.ir_mean) / self.ir_std)))
        log_magnitude, phase = self.head(hidden).float().chunk(2, dim=1)
        spectrum = torch.polar(log_magnitude.exp().clamp(max=MAX_MAGNITUDE), phase)
        return overlap_add(spectrum, self.window, self.config.hop)[:, None]


def overlap_add(spectrum: Tensor, window: Tensor, hop: int) -> Tensor:
    """Complex (B, F, L) and window (N,) -> (B, T = L * hop): windowed inverse FFTs, added, divided by the envelope.

    Frame l is centred on the middle of its own hop, (l + 0.5) * hop, as IR frames are; torch.istft cannot do that.
    """
    n_fft, length = len(window), spectrum.shape[2]
    frames = torch.fft.irfft(spectrum, n_fft, dim=1) * window[:, None]
    added = _add(frames, hop)
    envelope = _add((window.square())[None, :, None].expand(1, n_fft, length), hop)
    margin = (n_fft - hop) // 2
    return (added / envelope.clamp(min=1e-8))[:, margin : margin + length * hop]


def _add(frames: Tensor, hop: int) -> Tensor:
    """(B, N, L) -> (B, (L - 1) * hop + N)."""
    n_fft, length = frames.shape[1:]
    total = (length - 1) * hop + n_fft
    return fold(frames, (1, total), (1, n_fft), stride=(1, hop))[:, 0, 0]
