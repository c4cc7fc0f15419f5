"""Sampled styles: how B3-IR replaces the GST embedding, and with it the register.

STTTS samples from a Wasserstein GAN that has learned the embeddings of many speakers. Some hundred utterances are too
few for one: a Gaussian fitted to the embeddings and registers of the training utterances stands in for it. It knows no
gender. Axes: N utterances, E embedding.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from emotrace.anonymizer.draws import Replacement, Selection
from emotrace.representation.features import Features
from emotrace.weights import ModelFolder


class SampledStyles:
    """A style embedding and its register, sampled for each speaker or utterance."""

    models: ClassVar[tuple[str, ...]] = ("styles",)
    streams: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ("level", "seed")

    def __init__(self, styles: Styles, selection: Selection):
        self.styles, self.selection = styles, selection

    @classmethod
    def load(cls, models: ModelFolder, selection: Selection) -> SampledStyles:
        """Raises ModelError where the distribution is not there."""
        weights = models.tensors("styles")
        return cls(Styles(weights["mean"].float(), weights["root"].float()), selection)

    def __call__(self, source: Features) -> Replacement:
        """A sampled style; of the source only the names are read."""
        return self.styles.sample(self.selection.rng(source.utterance))


@dataclass(frozen=True, eq=False)
class Styles:
    """A Gaussian of embeddings and log registers together: mean (E + 1,), and a square root of the covariance."""

    mean: Tensor
    root: Tensor

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.root.shape != 2 * self.mean.shape:
            raise ValueError(f"styles have a mean (D,) and a root (D, D), got {self.mean.shape}, {self.root.shape}")
        if not (torch.isfinite(self.mean).all() and torch.isfinite(self.root).all()):
            raise ValueError("the mean or root of styles is NaN or infinite")

    def sample(self, rng: random.Random) -> Replacement:
        """A style embedding (E,) and the register that goes with it, a mean F0 in Hz; `rng` is used once."""
        noise = torch.randn(len(self.mean), generator=torch.Generator().manual_seed(rng.getrandbits(63)))
        drawn = self.mean + self.root @ noise
        return Replacement(drawn[:-1], float(drawn[-1].exp()))
