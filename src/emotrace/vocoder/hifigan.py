"""One configurable HiFi-GAN generator: the paper's, a small one, and the universal one.

Axes: B batch, C channels, L frames, T samples. Source: Kong, Kim and Bae 2020 (HiFi-GAN), section 2.2.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

SLOPE = 0.1
FINAL_SLOPE = 0.01  # both originals call leaky_relu without a slope before the last convolution


@dataclass(frozen=True)
class HifiGanConfig:
    """Shape of a generator; the number of samples a frame is the product of the upsampling rates."""

    in_channels: int
    initial_channels: int = 512
    upsample_rates: tuple[int, ...] = (5, 4, 2, 2, 2)
    upsample_kernels: tuple[int, ...] = (11, 8, 4, 4, 4)
    resblock_kernels: tuple[int, ...] = (3, 7, 11)
    resblock_dilations: tuple[int, ...] = (1, 3, 5)

    def __post_init__(self) -> None:
        if len(self.upsample_rates) != len(self.upsample_kernels):
            raise ValueError(
                f"{len(self.upsample_rates)} upsampling rates but {len(self.upsample_kernels)} upsampling kernels"
            )
        if self.initial_channels < 2 ** len(self.upsample_rates):
            raise ValueError(f"{self.initial_channels} initial channels cannot be halved at every upsampling")

    @property
    def hop(self) -> int:
        """Samples a frame."""
        return prod(self.upsample_rates)


# 393 = 200 soft units + F0 + 192 ECAPA dimensions: table II, row ECAPA-T12-soft
SSL_SAS = HifiGanConfig(in_channels=393)
UNIVERSAL = HifiGanConfig(in_channels=80, upsample_rates=(8, 8, 2, 2), upsample_kernels=(16, 16, 4, 4))


class HifiGan(nn.Module):
    """(B, C, L) -> (B, 1, T = L * hop), samples in (-1, 1).

    The state dict has the key names of the released checkpoints (`weight_g`, `weight_v`), written and read.
    """

    def __init__(self, config: HifiGanConfig) -> None:
        super().__init__()
        self.config = config
        channels = [config.initial_channels // 2**i for i in range(len(config.upsample_rates) + 1)]
        self.conv_pre = weight_norm(nn.Conv1d(config.in_channels, channels[0], 7, padding=3))
        self.ups = nn.ModuleList(
            weight_norm(nn.ConvTranspose1d(wide, narrow, kernel, rate, padding=(kernel - rate) // 2))
            for wide, narrow, kernel, rate in zip(
                channels[:-1], channels[1:], config.upsample_kernels, config.upsample_rates, strict=True
            )
        )
        self.resblocks = nn.ModuleList(
            ResBlock(width, kernel, config.resblock_dilations)
            for width in channels[1:]
            for kernel in config.resblock_kernels
        )
        self.conv_post = weight_norm(nn.Conv1d(channels[-1], 1, 7, padding=3))
        self.register_state_dict_post_hook(_released_names)

    def forward(self, ir: Tensor) -> Tensor:
        """(B, C, L) -> (B, 1, T). Raises ValueError when the number of channels differs from the configuration's."""
        self.require_channels(ir)
        return self.synthesise(ir)

    def synthesise(self, hidden: Tensor) -> Tensor:
        """`forward` for layers of any layout: (B, C, L) -> (B, 1, T), or (B, C, 1, L) -> (B, 1, 1, T) once frozen."""
        hidden = self.conv_pre(hidden)
        kernels = len(self.config.resblock_kernels)
        for i, upsample in enumerate(self.ups):
            hidden = upsample(leaky_relu(hidden, SLOPE))
            hidden = sum(block(hidden) for block in self.resblocks[i * kernels : (i + 1) * kernels]) / kernels
        return torch.tanh(self.conv_post(leaky_relu(hidden, FINAL_SLOPE)))

    def require_channels(self, ir: Tensor) -> None:
        """Raises ValueError unless `ir` is (B, C, L) with the configuration's C."""
        if ir.ndim != 3 or ir.shape[1] != self.config.in_channels:
            raise ValueError(f"expected (B, {self.config.in_channels}, L) features, got {tuple(ir.shape)}")

    def remove_weight_norm(self) -> "HifiGan":
        """Folds the weight norm into plain weights, for inference; afterwards the released names no longer load."""
        for module in self.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")
        return self


class ResBlock(nn.Module):
    """(B, C, L) -> (B, C, L): residual pairs of a dilated and a plain convolution (resblock "1")."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same_conv(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_same_conv(channels, kernel, 1) for _ in dilations)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, L) -> (B, C, L)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            hidden = hidden + plain(leaky_relu(dilated(leaky_relu(hidden, SLOPE)), SLOPE))
        return hidden


def _same_conv(channels: int, kernel: int, dilation: int) -> nn.Module:
    padding = (kernel - 1) * dilation // 2
    return weight_norm(nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=padding))


def _released_names(module: nn.Module, state: dict, prefix: str, metadata: dict) -> None:
    """torch itself reads the old weight-norm names; this writes them, so that both directions agree."""
    for key in [key for key in state if key.startswith(prefix)]:
        renamed = key.replace("parametrizations.weight.original0", "weight_g")
        state[renamed.replace("parametrizations.weight.original1", "weight_v")] = state.pop(key)


class FrozenHifiGan(nn.Module):
    """A frozen HiFi-GAN for a CPU: the same numbers in some 10 to 25 % less time; a copy that cannot be trained.

    Convolutions along time become two-dimensional ones of height 1, because PyTorch's CPU kernels keep the
    channels-last layout between 2-D convolutions but reorder the data around every 1-D one. Float32 in and out whatever
    the precision inside.
    """

    def __init__(self, generator: HifiGan, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config, self.dtype = generator.config, dtype
        # a fresh one: torch shares weight norm between a module and its deep copy
        flat = HifiGan(generator.config)
        flat.load_state_dict(generator.state_dict())
        _flatten(flat.remove_weight_norm())
        self.generator = flat.to(dtype=dtype, memory_format=torch.channels_last).eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(self, ir: Tensor) -> Tensor:
        """(B, C, L) -> (B, 1, T). Raises ValueError when the number of channels differs from the configuration's."""
        self.generator.require_channels(ir)
        rows = ir.to(self.dtype)[:, :, None].contiguous(memory_format=torch.channels_last)
        return self.generator.synthesise(rows)[:, :, 0].float()


def _flatten(module: nn.Module) -> None:
    """Replaces every 1-D convolution below `module` by a 2-D one of height 1 with the same weights."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv1d | nn.ConvTranspose1d):
            setattr(module, name, _two_dimensional(child))
        else:
            _flatten(child)


def _two_dimensional(conv: nn.Conv1d | nn.ConvTranspose1d) -> nn.Conv2d | nn.ConvTranspose2d:
    kind = nn.ConvTranspose2d if isinstance(conv, nn.ConvTranspose1d) else nn.Conv2d
    flat = kind(
        conv.in_channels,
        conv.out_channels,
        (1, *conv.kernel_size),
        (1, *conv.stride),
        padding=(0, *conv.padding),
        dilation=(1, *conv.dilation),
    )
    flat.weight, flat.bias = nn.Parameter(conv.weight[:, :, None]), conv.bias
    return flat
