"""The shipped models, loaded by name from one folder; nothing here executes code from a file."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import HubertConfig

from emotrace.anonymizer.selec_anon import Pool
from emotrace.anonymizer.styles import Styles
from emotrace.anonymizer.targets import Targets
from emotrace.representation.discrete import Codebook
from emotrace.representation.ecapa import Ecapa
from emotrace.representation.features import FrontEnds
from emotrace.representation.gst import GstEncoder
from emotrace.representation.hubert import Hubert
from emotrace.representation.soft import SoftHead
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel
from emotrace.vocoder.checkpoint import CONFIG, WEIGHTS, load_model
from emotrace.vocoder.generator import HifiGan, HifiGanConfig
from emotrace.vocoder.istft import IstftConfig, IstftGenerator
from emotrace.weights import read_weights

DEFAULT = Path(__file__).resolve().parents[2] / "data" / "models" / "scale"
HEAD_KEY = "soft_head.W"
CODEBOOKS = {"kmeans": "units", "vq": "vq"}
"""Which model makes discrete units: by the post-processing of an IR."""


class ModelError(FileNotFoundError):
    """A model that is not there or not whole; the message names the folder and the command that makes it."""


@dataclass(frozen=True)
class Models:
    """The study's models in ``folder``, each a subfolder with weights, configuration and card."""

    folder: Path = DEFAULT

    @cached_property
    def hubert(self) -> Hubert:
        return self._hubert("hubert")

    @cached_property
    def soft_hubert(self) -> Hubert:
        return self._hubert("soft")

    @cached_property
    def soft_head(self) -> SoftHead:
        weight = self._weights("soft")[HEAD_KEY]
        head = SoftHead(weight.shape[1], weight.shape[0])
        return _filled(head, {"W": weight}, self.path("soft"))

    @cached_property
    def ecapa(self) -> Ecapa:
        ecapa = Ecapa(**self._config("ecapa"))
        _filled(ecapa.model, self._weights("ecapa"), self.path("ecapa"))
        return ecapa.eval()

    @cached_property
    def gst(self) -> GstEncoder:
        return _filled(GstEncoder(**self._config("gst")), self._weights("gst"), self.path("gst"))

    @cached_property
    def pool(self) -> Pool:
        """Speakers, genders and mean ECAPA embeddings (P, 192) of the training speakers and their perturbed copies."""
        config = self._config("pool")
        embeddings = self._weights("pool")["embeddings"].float()
        return Pool(tuple(config["speakers"]), tuple(config["genders"]), embeddings)

    @cached_property
    def styles(self) -> Styles:
        """The distribution of style embeddings (E,) and registers of the training utterances."""
        weights = self._weights("styles")
        return Styles(weights["mean"].float(), weights["root"].float())

    @cached_property
    def targets(self) -> Targets:
        """Acoustic prompts (N, 160) of the training utterances, their speakers and genders; copies are speakers too."""
        config = self._config("targets")
        return Targets(tuple(config["speakers"]), tuple(config["genders"]), self._weights("targets")["prompts"].float())

    def codebook(self, post: str) -> Codebook | None:
        """The discrete units of a post-processing, "kmeans" or "vq"; None for another. Raises ModelError."""
        if post not in CODEBOOKS:
            return None
        name = CODEBOOKS[post]
        return Codebook(self._weights(name)["codes"], self._config(name).get("penalty"))

    def front_ends(self, layers: tuple[int, ...] = (1, 3, 6, 12), device: str = "cpu") -> FrontEnds:
        """All that makes features, with these layers of HuBERT, on a device."""
        ends = (self.hubert, self.soft_hubert, self.soft_head, self.ecapa, self.gst)
        return FrontEnds(*(end.to(device) for end in ends), layers=layers, device=device)

    def acoustic(self, name: str) -> AcousticModel:
        """An acoustic model, e.g. "acoustic-ECAPA-T6". Raises ModelError where none is shipped."""
        return load_model(AcousticModel, AcousticConfig, self.path(name))

    def unified(self, name: str) -> IstftGenerator | HifiGan:
        """A unified vocoder, small or the paper's, e.g. "unified-none-T1". Raises ModelError where there is none."""
        if "upsample_rates" in self._config(name):
            return load_model(HifiGan, HifiGanConfig, self.path(name))
        return load_model(IstftGenerator, IstftConfig, self.path(name))

    def names(self) -> tuple[str, ...]:
        """Every model in the folder, sorted."""
        return tuple(sorted(path.parent.name for path in self.folder.glob(f"*/{WEIGHTS}")))

    def sha256(self, name: str) -> str:
        """Hash of a model's weights and configuration."""
        folder = self.path(name)
        return hashlib.sha256((folder / WEIGHTS).read_bytes() + (folder / CONFIG).read_bytes()).hexdigest()

    def path(self, name: str) -> Path:
        """The folder of a model. Raises ModelError when it is not there, naming the ones that are."""
        folder = self.folder / name
        if not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
            there = ", ".join(self.names()) or "none"
            raise ModelError(f"no model '{name}' in {self.folder} (there: {there}); train it: emotrace train {name}")
        return folder

    def _hubert(self, name: str) -> Hubert:
        hubert = Hubert.from_pretrained(HubertConfig.from_dict(self._config(name)))
        weights = {key: value for key, value in self._weights(name).items() if key != HEAD_KEY}
        _filled(hubert.model, weights, self.path(name))
        return hubert

    def _config(self, name: str) -> dict[str, Any]:
        return json.loads((self.path(name) / CONFIG).read_text())

    def _weights(self, name: str) -> dict[str, Tensor]:
        path = self.path(name) / WEIGHTS
        try:
            return read_weights(path)
        except SafetensorError as error:
            raise ModelError(f"{path}: damaged weights ({error}); restore or retrain the model") from error


def load_models(folder: Path = DEFAULT) -> Models:
    """The models in ``folder``."""
    return Models(Path(folder))


def _filled(module: nn.Module, weights: dict[str, Tensor], path: Path) -> nn.Module:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(f"{path}: weights that do not fit the configuration; restore or retrain: {error}") from error
    if not all(torch.isfinite(value).all() for value in module.state_dict().values()):
        raise ModelError(f"{path}: NaN or infinite weights; restore or retrain the model")
    return module.eval()
