"""Streams of whole utterances, each computed when it is first asked for and kept on disk; every row shares them.

SSL-SAS extracts features from its training crop of 0.56 s; here they come from the whole utterance, which is not
identical. Axes: T samples at 16 kHz, L frames, C channels, E embedding.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emotrace.corpus.audio import AudioError, load_audio, peak_normalise
from emotrace.corpus.datadir import Utterance
from emotrace.corpus.files import atomic_file
from emotrace.representation.spec import StreamSpec
from emotrace.representation.streams import Stream

log = logging.getLogger(__name__)


class FeatureFileError(ValueError):
    """A feature file that is damaged or was not written by this program."""


@dataclass(frozen=True)
class FeatureCache:
    """Streams on disk: `root`/<stream>-<key>/<utterance id>.safetensors, each computed once and written atomically.

    A damaged file is computed anew, with a warning in the log.

    Attributes:
        root: the folder.
        keys: for each stream a word that stands for all that it depends on (models, code, corpus); another key is
            another folder.
        load: the stream of a specification; called when its first file is missing.
    """

    root: Path
    keys: Mapping[StreamSpec, str]
    load: Callable[[StreamSpec], Stream]

    def path(self, utterance: Utterance, spec: StreamSpec) -> Path:
        """Where a stream of an utterance lies; characters that a file name cannot have are percent-encoded."""
        return Path(self.root) / f"{spec}-{self.keys[spec]}" / f"{quote(utterance.id, safe='')}.safetensors"

    def get(self, utterance: Utterance, spec: StreamSpec) -> Tensor:
        """A stream of an utterance, from disk or computed. Raises AudioError or ValueError naming the audio file."""
        path = self.path(utterance, spec)
        if path.exists():
            try:
                return read_stream(path)
            except FeatureFileError as error:
                log.warning("%s; computing the stream anew", error)
        try:
            with torch.no_grad():
                stream = self.load(spec)(_waveform(utterance.path, _time(utterance.path)))
        except AudioError as error:
            raise AudioError(f"{utterance.path}: {error}") from error
        except ValueError as error:
            raise ValueError(f"{utterance.path}: {error}") from error
        write_stream(path, stream)
        return stream


@dataclass(frozen=True)
class Features:
    """The streams of one utterance: ``features["f0"]``.

    Attributes:
        utterance: whose they are.
        cache: where they come from.
        of_speaker: all utterances of its speaker, or the utterance alone where the row treats it alone.
    """

    utterance: Utterance
    cache: FeatureCache
    of_speaker: tuple[Utterance, ...] = ()

    def __getitem__(self, stream: str | StreamSpec) -> Tensor:
        """A stream (L, C) or (C,). Raises AudioError or ValueError naming the audio file."""
        return self.cache.get(self.utterance, StreamSpec(stream) if isinstance(stream, str) else stream)

    def speaker_mean(self, stream: str) -> Tensor:
        """Mean (E,) of an embedding over `of_speaker`."""
        return torch.stack([self.cache.get(one, StreamSpec(stream)) for one in self.of_speaker]).mean(0)


@lru_cache(maxsize=1)
def _waveform(path: Path, _: int) -> Tensor:
    """The samples (T,) that every stream is computed from, peak 0.95, as of a time: streams are computed in a row."""
    return torch.from_numpy(peak_normalise(load_audio(path)))


def _time(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def write_stream(path: Path, stream: Tensor) -> None:
    """Write a stream atomically, with a checksum of its content."""
    content = {"stream": stream.detach().contiguous().clone()}
    with atomic_file(path) as temporary:
        save_file(content, temporary, metadata={"sha256": _checksum(content["stream"])})


def read_stream(path: Path) -> Tensor:
    """Read what `write_stream` wrote. Raises FeatureFileError for a truncated, changed or foreign file."""
    try:
        with safe_open(path, framework="pt") as file:
            stream, checksum = file.get_tensor("stream"), (file.metadata() or {}).get("sha256")
    except SafetensorError as error:
        raise FeatureFileError(f"{path}: damaged feature file: {error}") from error
    if checksum != _checksum(stream):
        raise FeatureFileError(f"{path}: the content of the feature file is not what was written")
    return stream


def _checksum(stream: Tensor) -> str:
    head = f"{tuple(stream.shape)} {stream.dtype} ".encode()
    return hashlib.sha256(head + stream.numpy().tobytes()).hexdigest()
