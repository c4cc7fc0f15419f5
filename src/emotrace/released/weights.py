"""Released weight files, read as data: nothing in them is executed, nothing is lost or left over."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from emotrace.weights import CheckpointError

Module = TypeVar("Module", bound=nn.Module)
LONGEST = 400  # characters of a message that names keys


class _Ignored:
    """What an object beside the weights becomes: its class and its state are dropped, so that it cannot do anything."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# What fairseq writes beside the weights: its task's dictionaries, and the arguments in three generations of form.
_FAIRSEQ_OBJECTS = (
    "argparse.Namespace",
    "fairseq.data.dictionary.Dictionary",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.nodes.AnyNode",
    "typing.Any",
)


def read_weights(path: Path) -> Any:
    """What torch.save or safetensors wrote, on the CPU: a dictionary as a rule.

    Objects that fairseq leaves beside its weights become empty placeholders. Raises CheckpointError for a file that is
    missing or damaged, and for one that holds any other object: to load that could run code.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: is not there")
    try:
        return load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except (
        Exception
    ) as error:  # from damaged bytes torch raises anything: RuntimeError, IndexError, AssertionError, ...
        raise CheckpointError(f"{path}: {_why(error)}") from error


def _unpickled(path: Path) -> Any:
    with warnings.catch_warnings(), torch.serialization.safe_globals([(_Ignored, name) for name in _FAIRSEQ_OBJECTS]):
        warnings.filterwarnings("ignore", "Detected pickle protocol")  # another one than torch's fails or is harmless
        return torch.load(path, map_location="cpu", weights_only=True)


def _why(error: Exception) -> str:
    foreign = re.search(r"(?:GLOBAL|class|function|reduce for unrecognized function) ([\w.<>' ]*\.[\w.]+)", str(error))
    if not foreign:
        # of torch's page of advice (among it: to switch the protection off) only the reason is passed on
        reason = re.search(r"WeightsUnpickler error: ([^\n]*)", str(error))
        text = reason.group(1) if reason else str(error).partition("\n")[0].partition(". ")[0]
        return f"damaged or not a weight file ({text or type(error).__name__}); get it again"
    return (
        f"refused: beside weights it holds '{foreign.group(1)}', and to load that could run code. Get the released "
        "file again; if this is the released one and you trust it, keep its tensors only, in a throw-away environment: "
        'torch.save({"model": torch.load(FILE, weights_only=False)["model"]}, FILE)'
    )


def tensors(content: Any, path: Path, key: str | None = None) -> dict[str, Tensor]:
    """The state dict in what `read_weights` gave, below `key` if one is named, without data-parallel's "module.".

    Raises CheckpointError when it is not there, holds something else, or has NaN or infinite values.
    """
    state = content if key is None else content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path}: no weights{f' under the key {key!r}' if key else ''}: another kind of file")
    state = {str(name).removeprefix("module."): value for name, value in state.items()}
    if bad := [name for name, value in state.items() if not torch.isfinite(value).all()]:
        raise CheckpointError(f"{path}: NaN or infinite weights in {shorten(', '.join(bad), LONGEST)}; get it again")
    return state


def fill(module: Module, state: Mapping[str, Tensor], path: Path) -> Module:
    """Load `state` into `module`, key for key, and put it in evaluation mode.

    Raises CheckpointError naming the keys that are missing, unexpected or of another shape.
    """
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        raise CheckpointError(f"{path}: weights of another model: {shorten(str(error), LONGEST)}") from error
    return module.eval()


def shape(state: Mapping[str, Tensor], key: str, path: Path) -> tuple[int, ...]:
    """Shape of one tensor of a state dict. Raises CheckpointError when it is not there."""
    if key not in state:
        raise CheckpointError(f"{path}: weights of another model (missing: {key})")
    return tuple(state[key].shape)


def count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many different numbers stand where `pattern` (a regular expression with one group) has its group."""
    return len({match.group(1) for key in state if (match := re.match(pattern, key))})
