"""selec-anon: a pseudo-speaker is the mean of random ones among the farthest of a pool, as in SSL-SAS.

Axes: P pool speakers, E embedding.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from emotrace.anonymizer.draws import Level, Replacement, Selection
from emotrace.corpus.datadir import Utterance
from emotrace.representation.features import Features
from emotrace.weights import ModelFolder

OTHER_GENDER = {"f": "m", "m": "f"}


class SelecAnonError(ValueError):
    """A pool or a source that selec-anon cannot work with."""


class SelecAnon:
    """The pseudo-speakers of one invocation.

    The draw depends on the seed and on the speaker (or speaker and utterance) alone: unlike the original's one
    generator for the whole run, it does not depend on the order, so that an interrupted run ends as an uninterrupted.
    A speaker who is in the pool is no candidate for itself.
    """

    models: ClassVar[tuple[str, ...]] = ("pool",)
    streams: ClassVar[tuple[str, ...]] = ("ecapa",)
    settings: ClassVar[tuple[str, ...]] = ("level", "n_farthest", "n_random", "seed")

    def __init__(self, pool: Pool, selection: Selection, *, cross_gender: bool = False):
        self.pool, self.selection, self.cross_gender = pool, selection, cross_gender

    @classmethod
    def load(cls, models: ModelFolder, selection: Selection) -> SelecAnon:
        """Raises ModelError where the pool is not there."""
        return cls(load_pool(models), selection)

    def __call__(self, source: Features) -> Replacement:
        """The pseudo-speaker of an utterance; at level "speaker" from the mean embedding of its speaker.

        Raises SelecAnonError as `select` does.
        """
        per_speaker = Level(self.selection.level) is Level.SPEAKER
        embedding = source.speaker_mean("ecapa") if per_speaker else source["ecapa"]
        return Replacement(self.select(source.utterance, embedding).embedding)

    def select(self, utterance: Utterance, embedding: Tensor) -> SelecAnonResult:
        """The pseudo-speaker for an utterance with this source embedding (E,). Raises SelecAnonError as `select`."""
        return select(
            self.pool,
            embedding,
            utterance.gender,
            n_farthest=self.selection.n_farthest,
            n_random=self.selection.n_random,
            rng=self.selection.rng(utterance),
            cross_gender=self.cross_gender,
            exclude=utterance.speaker,
        )


@dataclass(frozen=True, eq=False)
class Pool:
    """External speakers with their mean embeddings (P, E) and genders ("f" or "m")."""

    speakers: tuple[str, ...]
    genders: tuple[str, ...]
    embeddings: Tensor

    def __post_init__(self) -> None:
        sizes = {len(self.speakers), len(self.genders), len(self.embeddings)}
        if len(sizes) != 1 or self.embeddings.ndim != 2:
            raise SelecAnonError("a pool has one speaker id, gender and embedding (P, E) per speaker")
        if len(set(self.speakers)) != len(self.speakers):
            raise SelecAnonError("a pool names each speaker once")
        if unknown := set(self.genders) - set(OTHER_GENDER):
            raise SelecAnonError(f"pool gender {sorted(unknown)[0]!r}: f or m")
        if not torch.isfinite(self.embeddings).all() or not self.embeddings.any(dim=1).all():
            raise SelecAnonError("a pool embedding is zero, NaN or infinite")


def load_pool(models: ModelFolder) -> Pool:
    """Speakers, genders and mean ECAPA embeddings (P, E) of the training speakers and their perturbed copies."""
    config = models.config("pool")
    return Pool(tuple(config["speakers"]), tuple(config["genders"]), models.tensors("pool")["embeddings"].float())


@dataclass(frozen=True, eq=False)
class SelecAnonResult:
    """The pseudo-speaker (E,), the speakers averaged and the candidates, both from farthest to nearest."""

    embedding: Tensor
    chosen: tuple[str, ...]
    candidates: tuple[str, ...]


def select(
    pool: Pool,
    source: Tensor,
    gender: str,
    *,
    n_farthest: int = 200,
    n_random: int = 100,
    rng: random.Random,
    cross_gender: bool = False,
    exclude: str | None = None,
) -> SelecAnonResult:
    """A pseudo-speaker for `source` (E,) of `gender` ("f" or "m"), by cosine to the pool's speakers of that gender.

    `rng` is used once; SSL-SAS seeds Python's random with "2020" once and runs through the speakers. `cross_gender`
    draws from the other gender; `exclude` names a speaker who is not to be a candidate. Raises SelecAnonError when
    the pool has fewer candidates than `n_farthest` (the original would average zero rows), for an unknown gender, and
    for a source that is zero, not finite or of another size.
    """
    if not 1 <= n_random <= n_farthest:
        raise SelecAnonError(f"selec-anon averages {n_random} of {n_farthest}: 1 or more, not above")
    candidates = _farthest(pool, source, _wanted(gender, cross_gender), n_farthest, exclude)
    drawn = sorted(rng.sample(range(n_farthest), n_random))
    chosen = [candidates[place] for place in drawn]
    embedding = pool.embeddings[chosen].double().mean(0).to(pool.embeddings.dtype)
    return SelecAnonResult(embedding, _names(pool, chosen), _names(pool, candidates))


def _wanted(gender: str, cross_gender: bool) -> str:
    if gender not in OTHER_GENDER:
        raise SelecAnonError(f"source gender {gender!r}: f or m")
    return OTHER_GENDER[gender] if cross_gender else gender


def _farthest(pool: Pool, source: Tensor, gender: str, n_farthest: int, exclude: str | None) -> list[int]:
    """Places in the pool of the `n_farthest` least similar speakers of `gender`, farthest first."""
    _require_source(pool, source)
    people = zip(pool.speakers, pool.genders, strict=True)
    places = [place for place, (name, own) in enumerate(people) if own == gender and name != exclude]
    if len(places) < n_farthest:
        raise SelecAnonError(
            f"selec-anon needs {n_farthest} candidates of gender {gender}, the pool has {len(places)}: "
            "enlarge the pool or state smaller numbers (n_farthest, n_random)"
        )
    affinity = F.cosine_similarity(pool.embeddings[places].double(), source.double()[None], dim=1)
    return [places[place] for place in affinity.argsort(stable=True)[:n_farthest].tolist()]


def _require_source(pool: Pool, source: Tensor) -> None:
    if source.shape != pool.embeddings.shape[1:]:
        raise SelecAnonError(f"source {tuple(source.shape)} and pool {tuple(pool.embeddings.shape)} do not fit")
    if not torch.isfinite(source).all() or not source.any():
        raise SelecAnonError("the source embedding is zero, NaN or infinite")


def _names(pool: Pool, places: list[int]) -> tuple[str, ...]:
    return tuple(pool.speakers[place] for place in places)
