"""Models on disk: a folder with model.safetensors and config.json for each, nothing that executes code.

Large matrices are 8-bit integers: rounded to 255 levels between the largest magnitudes of each row (output channel),
symmetric about zero, as in weight-only quantisation. The error of a weight is at most 0.4 % of the largest of its row.
The front-ends are shipped so, and whatever builds on them learns from the shipped ones. O rows of a tensor.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from emotrace.corpus.files import atomic_file, write_text_atomic
from emotrace.paths import MODELS

if TYPE_CHECKING:  # hashes and names take no torch, whose import costs a second
    from torch import Tensor, nn

WEIGHTS, CONFIG = "model.safetensors", "config.json"
SCALE = "::scale"  # behind the name of a tensor: the steps (O,) of its rows
LEVELS = 127
SMALLEST = 4_096  # elements from which the integers are worth the rounding
Module = TypeVar("Module", bound="nn.Module")


class CheckpointError(ValueError):
    """Weights that cannot be read; the message names the file."""


class ModelError(FileNotFoundError):
    """A model that is not there or not whole; the message names the folder and the command that makes it."""


@dataclass(frozen=True)
class ModelFolder:
    """The models below ``folder``, each a subfolder of its name."""

    folder: Path = MODELS

    def names(self) -> tuple[str, ...]:
        """Every model that is there, sorted."""
        return tuple(sorted(path.parent.name for path in self.folder.glob(f"*/{WEIGHTS}")))

    def path(self, name: str) -> Path:
        """The folder of a model. Raises ModelError when it is not there, naming the ones that are."""
        folder = self.folder / name
        if not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
            there = ", ".join(self.names()) or "none"
            raise ModelError(f"no model '{name}' in {self.folder} (there: {there}); train it: emotrace train {name}")
        return folder

    def sha256(self, name: str) -> str:
        """Hash of a model's weights and configuration. Raises ModelError."""
        folder = self.path(name)
        return hashlib.sha256((folder / WEIGHTS).read_bytes() + (folder / CONFIG).read_bytes()).hexdigest()

    def stamp(self, *names: str) -> tuple[int, ...]:
        """Times of models' weights: another one where a model was trained again. Raises ModelError."""
        return tuple((self.path(name) / WEIGHTS).stat().st_mtime_ns for name in names)

    def config(self, name: str) -> dict[str, Any]:
        """A model's configuration. Raises ModelError."""
        return json.loads((self.path(name) / CONFIG).read_text())

    def tensors(self, name: str) -> dict[str, Tensor]:
        """A model's weights by name, float32 where they were integers. Raises ModelError."""
        from safetensors import SafetensorError

        path = self.path(name) / WEIGHTS
        try:
            return read_weights(path)
        except SafetensorError as error:
            raise ModelError(f"{path}: damaged weights ({error}); restore or retrain the model") from error

    def fill(self, module: Module, name: str, tensors: Mapping[str, Tensor] | None = None) -> Module:
        """Load the weights of a model, or some of its ``tensors``, and put ``module`` in evaluation mode.

        Raises:
            ModelError: the model is not there, its weights do not fit, or they are NaN or infinite.
        """
        try:
            module.load_state_dict(self.tensors(name) if tensors is None else dict(tensors))
        except RuntimeError as error:
            raise ModelError(
                f"{self.path(name)}: weights that do not fit the configuration; restore or retrain: {error}"
            ) from error
        if not _finite(module):
            raise ModelError(f"{self.path(name)}: NaN or infinite weights; restore or retrain the model")
        return module.eval()


def save_model(model: nn.Module, folder: Path) -> None:
    """Write `model` (with a dataclass `config`) atomically, file by file, as float32 on the CPU."""
    from safetensors.torch import save_file

    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    with atomic_file(folder / WEIGHTS) as temporary:
        save_file(weights, temporary)
    write_text_atomic(folder / CONFIG, json.dumps(asdict(model.config), indent=1) + "\n")


def load_model(model: type[Module], config: type, folder: Path) -> Module:
    """The model in evaluation mode. Raises CheckpointError naming the file that is missing, foreign or damaged."""
    from safetensors import SafetensorError

    folder = Path(folder)
    loaded = model(_read_config(config, folder / CONFIG))
    path = folder / WEIGHTS
    try:
        loaded.load_state_dict(read_weights(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not _finite(loaded):
        raise CheckpointError(f"{path}: NaN or infinite weights")
    return loaded.eval()


def _finite(module: nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in module.state_dict().values())


def _read_config(config: type, path: Path) -> Any:
    try:
        values = json.loads(path.read_text())
        unknown = sorted(set(values) - {field.name for field in fields(config)})
        if unknown:
            raise ValueError(f"unknown keys {', '.join(unknown)}")
        return config(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors: floating matrices of 4,096 elements or more as int8 and scales, other floats as float16."""
    from safetensors.torch import save_file

    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stored |= _compact(name, tensor.detach().cpu())
    save_file({name: tensor.contiguous() for name, tensor in stored.items()}, path, metadata={"format": "pt"})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name, those with scales as float32; files without scales come as they are. Raises as `load_file`."""
    from safetensors.torch import load_file

    stored = load_file(path)
    return {
        name: _expanded(tensor, stored[name + SCALE]) if name + SCALE in stored else tensor
        for name, tensor in stored.items()
        if not name.endswith(SCALE)
    }


def _compact(name: str, tensor: Tensor) -> dict[str, Tensor]:
    import torch

    if not tensor.is_floating_point():
        return {name: tensor}
    if tensor.ndim < 2 or tensor.numel() < SMALLEST or not tensor.isfinite().all():
        return {name: tensor.to(torch.float16)}
    scale = tensor.float().flatten(1).abs().amax(1) / LEVELS
    steps = tensor.float() / _along_rows(scale.clamp(min=torch.finfo(torch.float32).tiny), tensor)
    return {name: steps.round().to(torch.int8), name + SCALE: scale}


def _expanded(steps: Tensor, scale: Tensor) -> Tensor:
    return steps.float() * _along_rows(scale, steps)


def _along_rows(scale: Tensor, tensor: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (tensor.ndim - 1))
