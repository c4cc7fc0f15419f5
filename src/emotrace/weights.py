"""Weights on disk: safetensors, which hold no code, with large matrices as 8-bit integers.

A matrix is rounded to 255 levels between the largest magnitudes of each of its rows (output channels), symmetric about
zero, as in weight-only quantisation: the error of a weight is at most 0.4 % of the largest of its row. The front-ends
are shipped so, and whatever builds on them learns from the shipped ones. O rows of a tensor.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

SCALE = "::scale"  # behind the name of a tensor: the steps (O,) of its rows
LEVELS = 127
SMALLEST = 4_096  # elements from which the integers are worth the rounding


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors: floating matrices of 4,096 elements or more as int8 and scales, other floats as float16."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stored |= _compact(name, tensor.detach().cpu())
    save_file({name: tensor.contiguous() for name, tensor in stored.items()}, path, metadata={"format": "pt"})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name, those with scales as float32; files without scales come as they are. Raises as `load_file`."""
    stored = load_file(path)
    return {
        name: _expanded(tensor, stored[name + SCALE]) if name + SCALE in stored else tensor
        for name, tensor in stored.items()
        if not name.endswith(SCALE)
    }


def _compact(name: str, tensor: Tensor) -> dict[str, Tensor]:
    if not tensor.is_floating_point():
        return {name: tensor}
    if tensor.ndim < 2 or tensor.numel() < SMALLEST or not torch.isfinite(tensor).all():
        return {name: tensor.to(torch.float16)}
    scale = tensor.float().flatten(1).abs().amax(1) / LEVELS
    steps = tensor.float() / _along_rows(scale.clamp(min=torch.finfo(torch.float32).tiny), tensor)
    return {name: steps.round().to(torch.int8), name + SCALE: scale}


def _expanded(steps: Tensor, scale: Tensor) -> Tensor:
    return steps.float() * _along_rows(scale, steps)


def _along_rows(scale: Tensor, tensor: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (tensor.ndim - 1))
