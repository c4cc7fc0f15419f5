"""Soft units: linear heads on the last layer of a fine-tuned HuBERT. Axes: B batch, L frames, C channels, U units."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SoftHead(nn.Module):
    """SSL-SAS's soft units: features normalised along TIME, times the row-normalised W (study section 5).

    Normalising along time, not along channels, is what the original does (F.normalize's default axis on (B, L, C)).
    It makes a unit's scale depend on the utterance's length: pad nothing, and run one utterance at a time.
    """

    def __init__(self, channels: int = 768, units: int = 200) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(units, channels))
        nn.init.xavier_uniform_(self.W)

    def forward(self, features: Tensor) -> Tensor:
        """(L, C) -> (L, U), or (B, L, C) -> (B, L, U). Raises ValueError when C is not the head's."""
        _require_channels(features, self.W.shape[1])
        return F.linear(F.normalize(features, dim=-2), F.normalize(self.W, dim=1))


class SoftVcHead(nn.Module):
    """soft-vc's soft units: a linear projection; trained by cosine similarity / 0.1 to embeddings of k-means units."""

    TEMPERATURE = 0.1

    def __init__(self, channels: int = 768, units: int = 256, labels: int = 100) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, units)
        self.label_embedding = nn.Embedding(labels, units)

    def forward(self, features: Tensor) -> Tensor:
        """(L, C) -> (L, U), or with a batch axis in front. Raises ValueError when C is not the head's."""
        _require_channels(features, self.proj.in_features)
        return self.proj(features)

    def logits(self, units: Tensor) -> Tensor:
        """Scores of the discrete labels, for training: (..., U) -> (..., labels)."""
        return F.cosine_similarity(units.unsqueeze(-2), self.label_embedding.weight, dim=-1) / self.TEMPERATURE


def _require_channels(features: Tensor, channels: int) -> None:
    if features.ndim not in (2, 3) or features.shape[-1] != channels:
        raise ValueError(f"soft units of this head take (L, {channels}), got shape {tuple(features.shape)}")
