"""The method from top to bottom, as figure 1 of the paper: one utterance through one row.

    recording -> features -> intermediate representation, of another speaker -> vocoder -> measures

Everything here is a pure function of the recording, the row and its parts, so the order of utterances and the number of
workers leave no trace. T samples at 16 kHz, D channels and L frames (100 per second) of an IR, E embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotrace.anonymizer import ANONYMIZERS, Anonymizer
from emotrace.anonymizer.draws import Replacement, Selection
from emotrace.corpus.audio import load_audio, save_audio
from emotrace.corpus.datadir import Utterance
from emotrace.pipeline.rows import Row
from emotrace.representation import STREAMS
from emotrace.representation.discrete import Codebook, load_codebook
from emotrace.representation.features import FeatureCache, Features
from emotrace.representation.ir import build_ir
from emotrace.representation.spec import StreamSpec
from emotrace.representation.streams import Stream
from emotrace.vocoder import VOCODERS, Vocoder
from emotrace.weights import ModelFolder


def render(utterance: Utterance, parts: Parts, of_speaker: tuple[Utterance, ...] = ()) -> np.ndarray:
    """An utterance as a row renders it: waveform (T,) at 16 kHz, float32, as long as the recording, peak 0.95.

    ``of_speaker``: all utterances of its speaker, for an anonymizer that gives a speaker one voice.

    Raises:
        ValueError: audio, features or pool that cannot be used; the message says which. ModelError: a missing model.
    """
    n_samples = len(load_audio(utterance.path))
    with torch.inference_mode():
        features = Features(utterance, parts.features, of_speaker or (utterance,))
        another = parts.anonymizer(features) if parts.anonymizer else None
        ir = intermediate_representation(features, parts, another)
        return parts.vocoder(ir, n_samples).numpy()


def intermediate_representation(features: Features, parts: Parts, another: Replacement | None = None) -> Tensor:
    """The row's IR (D, L) of an utterance, of another speaker where one is given."""
    speaker, register = another or (None, None)
    return build_ir(parts.row.ir, features.__getitem__, codebook=parts.codebook, speaker=speaker, register=register)


@dataclass(frozen=True)
class Parts:
    """What a row is made by. It travels to the workers as names and classes; each loads the weights once.

    Attributes:
        row: its IR, anonymizer and vocoder.
        models: the model folders.
        selection: how pseudo-speakers are drawn.
        cache: folder of the features.
        keys: of each stream that the row reads, the word that stands for all that it depends on.
        device: where the networks run.
        classes: of streams, anonymizer and vocoder, by name; they may be registered by the main process alone.
    """

    row: Row
    models: ModelFolder
    selection: Selection
    cache: Path
    keys: tuple[tuple[StreamSpec, str], ...]
    device: str = "cpu"
    classes: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, row: Row, models: ModelFolder, selection: Selection, cache: Path, keys: dict, device: str) -> Parts:
        """The parts that a row names. Raises ValueError for a name that is not registered."""
        named = {f"stream {spec.name}": STREAMS.find(spec.name) for spec in keys}
        named |= {"anonymizer": ANONYMIZERS.find(row.anonymizer)} if row.anonymizer else {}
        named |= {"vocoder": VOCODERS.find(row.vocoder)}
        return cls(row, models, selection, cache, tuple(keys.items()), device, tuple(named.items()))

    @cached_property
    def features(self) -> FeatureCache:
        """The streams of utterances, computed when they are first asked for."""
        return FeatureCache(self.cache, dict(self.keys), self._stream)

    @property
    def anonymizer(self) -> Anonymizer | None:
        """Who replaces the speaker; None where nobody does."""
        if not self.row.anonymizer:
            return None
        kind = dict(self.classes)["anonymizer"]
        return _anonymizer(kind, self.models, self.selection, self.models.stamp(*kind.models))

    @property
    def codebook(self) -> Codebook | None:
        """The discrete units of the IR, if it has any."""
        name = self.row.ir.codebook
        return _codebook(self.models, name, self.models.stamp(name)) if name else None

    @property
    def vocoder(self) -> Vocoder:
        """What makes a waveform of the IR."""
        kind, decoder = dict(self.classes)["vocoder"], self.row.decoder
        return _vocoder(kind, self.models, decoder, self.device, self.models.stamp(*kind.models(decoder)))

    def _stream(self, spec: StreamSpec) -> Stream:
        kind = dict(self.classes)[f"stream {spec.name}"]
        return _stream(kind, self.models, spec.layer, self.device, self.models.stamp(*kind.models))


@lru_cache(maxsize=16)
def _stream(kind: type[Stream], models: ModelFolder, layer: int | None, device: str, _: tuple[int, ...]) -> Stream:
    return kind.load(models, layer, device)


@lru_cache(maxsize=4)
def _anonymizer(kind: type[Anonymizer], models: ModelFolder, selection: Selection, _: tuple[int, ...]) -> Anonymizer:
    return kind.load(models, selection)


@lru_cache(maxsize=8)
def _vocoder(kind: type[Vocoder], models: ModelFolder, decoder: str, device: str, _: tuple[int, ...]) -> Vocoder:
    return kind.load(models, decoder, device)


@lru_cache(maxsize=4)
def _codebook(models: ModelFolder, name: str, _: tuple[int, ...]) -> Codebook | None:
    return load_codebook(models, name)


def write_rendering(output: Path, utterance: Utterance, parts: Parts, of_speaker: tuple[Utterance, ...]) -> None:
    """`render` an utterance into an audio file."""
    save_audio(output, render(utterance, parts, of_speaker))
