"""A model on disk: a folder with model.safetensors and config.json, nothing that executes code."""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from emotrace.weights import read_weights

WEIGHTS, CONFIG = "model.safetensors", "config.json"
Model = TypeVar("Model", bound=nn.Module)


class CheckpointError(ValueError):
    """A model folder that cannot be read; the message names the file."""


def save_model(model: nn.Module, folder: Path) -> None:
    """Writes `model` (with a dataclass `config`) atomically, file by file, as float32 on the CPU."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / f"{WEIGHTS}.part")
    (folder / f"{CONFIG}.part").write_text(json.dumps(asdict(model.config), indent=1) + "\n")
    for name in (WEIGHTS, CONFIG):
        os.replace(folder / f"{name}.part", folder / name)


def load_model(model: type[Model], config: type, folder: Path) -> Model:
    """The model in evaluation mode. Raises CheckpointError naming the file that is missing, foreign or damaged."""
    folder = Path(folder)
    loaded = model(_read_config(config, folder / CONFIG))
    path = folder / WEIGHTS
    try:
        loaded.load_state_dict(read_weights(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not all(torch.isfinite(value).all() for value in loaded.state_dict().values()):
        raise CheckpointError(f"{path}: NaN or infinite weights")
    return loaded.eval()


def _read_config(config: type, path: Path):
    try:
        values = json.loads(path.read_text())
        unknown = sorted(set(values) - {field.name for field in fields(config)})
        if unknown:
            raise ValueError(f"unknown keys {', '.join(unknown)}")
        return config(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from error
