"""Discrete post-processing of a layer: the nearest of some codes. Axes: L frames, C channels, K codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotrace.weights import ModelFolder


class Codebook(nn.Module):
    """K vectors of C channels; a frame is replaced by the nearest (Euclidean). State dict: `codes` (K, C).

    `penalty` is what a change of unit costs where units are to be as long as phones (`segmental_ids`).
    """

    def __init__(self, codes: Tensor, penalty: float | None = None) -> None:
        super().__init__()
        if codes.ndim != 2 or not torch.isfinite(codes).all():
            raise ValueError(f"a codebook is a finite (K, C) tensor, got shape {tuple(codes.shape)}")
        self.register_buffer("codes", codes.float())
        self.penalty = penalty

    def ids(self, features: Tensor) -> Tensor:
        """(L, C) -> (L,) int64. Raises ValueError when C is not the codebook's."""
        _require_frames(features, self.codes.shape[1])
        # Exact distances: the faster matrix form loses the last digits, so that near ties depend on the batch.
        mode = "donot_use_mm_for_euclid_dist"
        return torch.cdist(features.float(), self.codes, compute_mode=mode).argmin(dim=1)

    def segmental_ids(self, features: Tensor) -> Tensor:
        """(L, C) -> (L,) int64 with the least sum of squared distances and `penalty` for every change of unit.

        Duration-penalised segmentation: Kamper and van Niekerk, "Towards unsupervised phone and word segmentation"
        (Interspeech 2021), section 2. Raises ValueError where the codebook has no penalty.
        """
        if self.penalty is None:
            raise ValueError("this codebook has no penalty for changes of unit; train it: emotrace train units")
        _require_frames(features, self.codes.shape[1])
        return _least_costly(torch.cdist(features.double(), self.codes.double()).square(), self.penalty)

    def forward(self, features: Tensor) -> Tensor:
        """(L, C) -> (L, C), each frame its nearest code."""
        return self.codes[self.ids(features)]


def _least_costly(costs: Tensor, penalty: float) -> Tensor:
    """The path (L,) through costs (L, K), to which every change adds the penalty, by dynamic programming."""
    best, sources = costs[0], []
    for cost in costs[1:]:
        least, place = best.min(0)
        stays = best <= least + penalty
        sources.append(torch.where(stays, torch.arange(len(best)), place))
        best = torch.where(stays, best, least + penalty) + cost
    path = [int(best.argmin())]
    for source in reversed(sources):
        path.append(int(source[path[-1]]))
    return torch.tensor(path[::-1])


def _require_frames(features: Tensor, channels: int) -> None:
    if features.ndim != 2 or features.shape[1] != channels:
        raise ValueError(f"this codebook takes (L, {channels}), got shape {tuple(features.shape)}")


def load_codebook(models: ModelFolder, name: str) -> Codebook | None:
    """The discrete units of a model folder, `IRSpec.codebook`; None without a name. Raises ModelError."""
    if not name:
        return None
    return Codebook(models.tensors(name)["codes"], models.config(name).get("penalty"))
