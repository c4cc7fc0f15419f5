"""Features of whole utterances, computed once and shared by every row.

SSL-SAS extracts features from the 0.56 s training crop; here they come from the whole utterance, which is not
identical (study section 5). Axes: T samples at 16 kHz, L50 and L100 frames (50 and 100 per second), C channels, U
units, E embedding, D channels of an IR.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emotrace.corpus.audio import AudioError, load_audio, peak_normalise
from emotrace.corpus.datadir import Utterance
from emotrace.corpus.files import atomic_file
from emotrace.representation.discrete import Codebook
from emotrace.representation.ecapa import Ecapa
from emotrace.representation.f0 import yaapt_f0
from emotrace.representation.gst import GstEncoder
from emotrace.representation.hubert import Hubert
from emotrace.representation.ir import DISCRETE, IRError, IRSpec, assemble_ir, log_mel_ir
from emotrace.representation.prosody import segment_prosody
from emotrace.representation.soft import SoftHead, SoftVcHead

SOFT_LAYER = 12
SSL_SAS_CROP = 8_960  # 0.56 s
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Features:
    """Everything the rows need of one utterance.

    layers: n -> T_n (L50, C); soft: (L50, U); f0: (L100,) Hz, 0 unvoiced; ecapa, gst: (E,); log_mel: (80, L100).
    """

    layers: Mapping[int, Tensor]
    soft: Tensor
    f0: Tensor
    ecapa: Tensor
    gst: Tensor
    log_mel: Tensor

    def ir(
        self,
        spec: IRSpec,
        *,
        speaker: Tensor | None = None,
        register: float | None = None,
        codebook: Codebook | None = None,
    ) -> Tensor:
        """The IR (D, L100) that `spec` describes; `speaker` (E,) replaces the utterance's own embedding.

        With prosody by segment, `register` replaces its mean F0, in Hz.

        Raises IRError when a layer was not extracted, a codebook is missing for "kmeans" or "vq", a replacement
        embedding is given to a spec without speaker, a register to one without segments, or no embedding to "one-hot",
        which the utterance does not tell.
        """
        if spec.linguistic == "log-mel":
            return self.log_mel
        if spec.speaker == "none" and speaker is not None:
            raise IRError(f"{spec.name} has no speaker embedding to replace")
        if not spec.segments and register is not None:
            raise IRError(f"{spec.name} has no prosody by segment, whose register could be replaced")
        if spec.speaker == "one-hot" and speaker is None:
            raise IRError(f"{spec.name}: say which speaker")
        own = {"ecapa": self.ecapa, "gst": self.gst, "prompt": self.prompt}.get(spec.speaker)
        linguistic, prosody = self._linguistic(spec, codebook), self.f0 if spec.f0 else None
        if spec.segments:
            units = codebook.segmental_ids(self.layers[spec.layer])
            linguistic, prosody = codebook.codes[units], segment_prosody(units, self.f0, self.log_mel, register)
        return assemble_ir(linguistic, prosody, own if speaker is None else speaker)

    def f0_channel(self, spec: IRSpec, *, codebook: Codebook | None = None) -> int | None:
        """Which channel of the IR is F0 in Hz; None where no channel is. Errors as `ir`'s."""
        if spec.linguistic == "log-mel" or not spec.f0:
            return None
        return self._linguistic(spec, codebook).shape[1]

    @property
    def prompt(self) -> Tensor:
        """An acoustic prompt (160,): mean and standard deviation over time of the log-mel's bands."""
        return torch.cat([self.log_mel.mean(1), self.log_mel.std(1, correction=0)])

    def _linguistic(self, spec: IRSpec, codebook: Codebook | None) -> Tensor:
        if spec.post == "soft":
            if spec.layer != SOFT_LAYER:
                raise IRError(f"{spec.name}: soft units are made of T{SOFT_LAYER}")
            return self.soft
        if spec.layer not in self.layers:
            extracted = ", ".join(f"T{n}" for n in sorted(self.layers))
            raise IRError(f"{spec.name}: T{spec.layer} was not extracted (there are {extracted})")
        if spec.post not in DISCRETE:
            return self.layers[spec.layer]
        if codebook is None:
            raise IRError(f"{spec.name}: post-processing {spec.post} needs its codebook")
        return codebook(self.layers[spec.layer])


@dataclass(frozen=True)
class FrontEnds:
    """The models that make the features. The soft units come from their own fine-tuned HuBERT, as in SSL-SAS."""

    hubert: Hubert
    soft_hubert: Hubert
    soft_head: SoftHead | SoftVcHead
    ecapa: Ecapa
    gst: GstEncoder
    layers: tuple[int, ...] = (1, 3, 6, 12)
    gst_seed: int = 0
    device: str = "cpu"

    def __call__(self, waveform: np.ndarray) -> Features:
        """Features of one utterance (T,) at 16 kHz, which is peak-normalised to 0.95 first.

        Raises AudioError for silence and NaN, ValueError for less than 50 ms, IndexError for a layer that the HuBERT
        does not have.
        """
        return self._of(torch.from_numpy(peak_normalise(waveform)))

    def of_crop(self, waveform: np.ndarray, start: int, samples: int = SSL_SAS_CROP) -> Features:
        """SSL-SAS's own way: features of a crop alone, cut from the peak-normalised utterance (T,).

        Slower and not identical to a crop of the whole utterance's features, which is what the recipes use. Raises
        ValueError when the crop does not lie within the utterance, otherwise as a call does.
        """
        if not 0 <= start <= len(waveform) - samples:
            raise ValueError(f"a crop of {samples} samples from {start} is not within {len(waveform)} samples")
        return self._of(torch.from_numpy(peak_normalise(waveform)[start : start + samples]))

    def _of(self, samples: Tensor) -> Features:
        on_device = samples.to(self.device)
        layers = self.hubert.layers(on_device, last=max(self.layers, default=0))
        with torch.no_grad():
            soft = self.soft_head(self.soft_hubert.layers(on_device)[SOFT_LAYER])
        return Features(
            layers={n: layers[n].cpu() for n in self.layers},
            soft=soft.cpu(),
            f0=yaapt_f0(samples),
            ecapa=self.ecapa.embed(on_device).cpu(),
            gst=self.gst.embed(on_device, seed=self.gst_seed).cpu(),
            log_mel=log_mel_ir(samples),
        )


@dataclass(frozen=True)
class FeatureStore:
    """Features on disk: `root`/`key`/<utterance id>.safetensors, each computed once and written atomically.

    `key` stands for all that the features depend on (models, corpus, code); a changed key is a new folder. A damaged
    file is computed anew, with a warning in the log.
    """

    root: Path
    key: str
    extract: Callable[[np.ndarray], Features] = field(repr=False)

    def __post_init__(self) -> None:
        if quote(self.key, safe="") != self.key or self.key in ("", ".", ".."):
            raise ValueError(f"feature key {self.key!r}: letters, digits, '.', '-', '_' and '~' only")

    def path(self, utterance_id: str) -> Path:
        """Where the features of an utterance lie; characters that a file name cannot have are percent-encoded."""
        return Path(self.root) / self.key / f"{quote(utterance_id, safe='')}.safetensors"

    def get(self, utterance: Utterance) -> Features:
        """The utterance's features, from disk or computed. Raises AudioError or ValueError naming the audio file."""
        path = self.path(utterance.id)
        if path.exists():
            try:
                return read_features(path)
            except FeatureFileError as error:
                log.warning("%s; computing the features anew", error)
        features = self._extracted(utterance)
        write_features(path, features)
        return features

    def _extracted(self, utterance: Utterance) -> Features:
        waveform = load_audio(utterance.path)
        try:
            return self.extract(waveform)
        except AudioError as error:
            raise AudioError(f"{utterance.path}: {error}") from error
        except ValueError as error:
            raise ValueError(f"{utterance.path}: {error}") from error


class FeatureFileError(ValueError):
    """A feature file that is damaged or was not written by this program."""


def write_features(path: Path, features: Features) -> None:
    """Write features atomically with a checksum of their content."""
    tensors = {f"T{n}": layer for n, layer in sorted(features.layers.items())}
    tensors |= {name: getattr(features, name) for name in _STREAMS}
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={"sha256": _checksum(tensors)})


def read_features(path: Path) -> Features:
    """Read what `write_features` wrote. Raises FeatureFileError for a truncated, changed or foreign file."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            checksum = (file.metadata() or {}).get("sha256")
    except SafetensorError as error:
        raise FeatureFileError(f"{path}: damaged feature file: {error}") from error
    if checksum != _checksum(tensors):
        raise FeatureFileError(f"{path}: the content of the feature file is not what was written")
    layers = {int(name[1:]): tensor for name, tensor in tensors.items() if name not in _STREAMS}
    return Features(layers=layers, **{name: tensors[name] for name in _STREAMS})


_STREAMS = ("soft", "f0", "ecapa", "gst", "log_mel")


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype} ".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
