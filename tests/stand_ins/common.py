"""What all stand-ins share: their sizes, random weights, old key names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    """Widths of the networks; heads are always 12 (16 from 1024 channels on), as the loaders expect."""

    hidden: int = 768
    feed_forward: int = 3072
    conv: int = 512
    layers: int = 12
    large: tuple[int, int, int] = (1024, 4096, 24)
    generator: int = 512
    ecapa: tuple[int, ...] = (1024, 1024, 1024, 1024, 3072)
    ecapa_small: tuple[int, ...] = (512, 512, 512, 512, 1536)
    attention: int = 128
    speakers: int = 921
    soft_units: int = 256


FULL = Sizes()
SMALL = Sizes(
    hidden=48,
    feed_forward=64,
    conv=16,
    layers=12,
    large=(48, 64, 2),
    generator=32,
    ecapa=(24, 24, 24, 24, 72),
    ecapa_small=(16, 16, 16, 16, 48),
    attention=8,
    speakers=5,
    soft_units=24,
)


def randomised(module: nn.Module) -> nn.Module:
    """`module` in evaluation mode, every parameter and running statistic moved at random, variances kept positive."""
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if value.is_floating_point():
                value.add_(torch.randn_like(value).mul_(0.05))
            if name.endswith(("running_var", "original0")):
                value.abs_().add_(0.1)
    return module.eval()


def old_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torch's names of weight norm when these files were saved."""
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    return {replaced(key, names): value for key, value in state.items()}


def replaced(key: str, names: Mapping[str, str]) -> str:
    """`key` with each old part replaced by its new one, in order."""
    for old, new in names.items():
        key = key.replace(old, new)
    return key


def save(path: Path, content: Any) -> Path:
    """torch.save into a folder that may not exist yet; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path
