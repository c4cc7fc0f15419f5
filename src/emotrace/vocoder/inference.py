"""A frozen HiFi-GAN for a CPU: the same numbers in some 10 to 25 % less time.

Convolutions along time become two-dimensional ones of height 1, because PyTorch's CPU kernels keep the channels-last
layout between 2-D convolutions but reorder the data around every 1-D one.
Axes: B batch, C channels, L frames, T samples.
"""

import torch
from torch import Tensor, nn

from emotrace.vocoder.generator import HifiGan


class FrozenHifiGan(nn.Module):
    """(B, C, L) -> (B, 1, T), float32 in and out whatever the precision inside; a copy that cannot be trained."""

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
