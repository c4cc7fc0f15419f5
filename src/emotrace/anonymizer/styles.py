"""Sampled style embeddings: how B3-IR replaces the GST embedding.

STTTS samples from a Wasserstein GAN that has learned the embeddings of many speakers. Some hundred utterances are too
few for one: a Gaussian fitted to the embeddings of the training utterances stands in for it. It knows no gender.
Axes: N utterances, E embedding.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Styles:
    """A Gaussian: mean (E,), and a square root (E, E) of the covariance."""

    mean: Tensor
    root: Tensor

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.root.shape != 2 * self.mean.shape:
            raise ValueError(f"styles have a mean (E,) and a root (E, E), got {self.mean.shape}, {self.root.shape}")
        if not (torch.isfinite(self.mean).all() and torch.isfinite(self.root).all()):
            raise ValueError("the mean or root of styles is NaN or infinite")

    @classmethod
    def fit(cls, embeddings: Tensor) -> Styles:
        """Fit to embeddings (N, E). Raises ValueError for fewer than two, and for NaN."""
        if embeddings.ndim != 2 or len(embeddings) < 2 or not torch.isfinite(embeddings).all():
            raise ValueError(f"styles need two finite embeddings (N, E) or more, got shape {tuple(embeddings.shape)}")
        values, vectors = torch.linalg.eigh(embeddings.double().T.cov())
        # not Cholesky's: the embeddings span a part of the space, and there the covariance is singular
        root = vectors * values.clamp(min=0).sqrt()
        return cls(embeddings.double().mean(0).float(), root.float())

    def sample(self, rng: random.Random) -> Tensor:
        """An embedding (E,); `rng` is used once."""
        noise = torch.randn(len(self.mean), generator=torch.Generator().manual_seed(rng.getrandbits(63)))
        return self.mean + self.root @ noise
