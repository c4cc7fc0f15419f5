"""Released files, read as data: nothing in them is imported, called or executed, nothing is lost or left over.

Weights; and speechbrain's hyperparams.yaml and label files. speechbrain's own reader of YAML (HyperPyYAML) imports and
calls whatever a file names, so a downloaded file could run any code. Here a tag (!new:, !name:, !apply:, !ref, ...)
stays a tag with its arguments.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

from emotrace.weights import CheckpointError

Module = TypeVar("Module", bound=nn.Module)
LONGEST = 400  # characters of a message that names keys
DEPTH = 20  # references to references, lists in lists
END = "================"  # of the labels; what follows are options of speechbrain's encoder


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
    if not path.is_file():
        raise CheckpointError(f"{path}: is not there")
    ignored = [(_Ignored, name) for name in _FAIRSEQ_OBJECTS]
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(ignored):
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # another one fails or is harmless
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # from damaged bytes torch raises anything: IndexError, AssertionError, ...
        raise CheckpointError(f"{path}: {_why(error)}") from error


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


def read_state(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """The state dict in a file. Raises CheckpointError as `read_weights` and `tensors` do."""
    return tensors(read_weights(path), path, key)


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


@dataclass(frozen=True)
class Tagged:
    """A value with a tag: ``tag`` without "!", e.g. "new:torch.nn.Linear"; ``value`` its mapping, list or text."""

    tag: str
    value: Any

    @property
    def target(self) -> str:
        """The class or function it names: what follows the first colon; empty when there is none."""
        return self.tag.partition(":")[2]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also keeps unknown tags."""


def _keep(loader: _Loader, suffix: str, node: yaml.Node) -> Tagged:
    if isinstance(node, yaml.MappingNode):
        return Tagged(suffix, loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return Tagged(suffix, loader.construct_sequence(node, deep=True))
    return Tagged(suffix, loader.construct_scalar(node))


_Loader.add_multi_constructor("!", _keep)


@dataclass(frozen=True)
class Hyperparams:
    """The top level of one hyperparams.yaml."""

    path: Path
    values: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Hyperparams:
        """Read a file. Raises CheckpointError when it is missing or not a YAML mapping."""
        try:
            values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        except (OSError, yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path}: not a hyperparams.yaml: {error}") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{path}: not a hyperparams.yaml: no mapping at its top level")
        return cls(path, values)

    def arguments(self, name: str, *, of: str) -> dict[str, Any]:
        """Keyword arguments of the object ``name``, references resolved, which must be a new object of class ``of``.

        ``of`` is a regular expression for the class's full name. Raises CheckpointError when it is another class.
        """
        entry = self.values.get(name)
        if not isinstance(entry, Tagged) or not entry.tag.startswith("new:") or not re.fullmatch(of, entry.target):
            given = entry.target if isinstance(entry, Tagged) else entry
            raise CheckpointError(f"{self.path}: {name} is {given!r}, expected a new object of {of}: another model")
        arguments = entry.value if isinstance(entry.value, dict) else {}
        return {key: self.resolved(value) for key, value in arguments.items()}

    def resolved(self, value: Any, depth: int = 0) -> Any:
        """``value`` with each "!ref <key>" replaced by that key's value, inside lists too; other tags stay tags.

        Raises CheckpointError for a reference to a key that is not there, or in a circle.
        """
        if depth > DEPTH:
            raise CheckpointError(f"{self.path}: references or lists more than {DEPTH} deep")
        if isinstance(value, list):
            return [self.resolved(item, depth + 1) for item in value]
        if not (isinstance(value, Tagged) and value.tag == "ref"):
            return value
        match = re.fullmatch(r"<(\w+)>", str(value.value))
        if not match:
            return value  # text or arithmetic around the key: a path as a rule, of no use here
        if match.group(1) not in self.values:
            raise CheckpointError(f"{self.path}: reference <{match.group(1)}> leads nowhere")
        return self.resolved(self.values[match.group(1)], depth + 1)


def read_labels(path: Path) -> dict[int, str]:
    """Index -> label of a tokenizer.ckpt or label_encoder.txt, e.g. {0: "<blank>", 3: "A"}.

    A line is a Python literal, " => " and its index; only literals are read, nothing is evaluated. Raises
    CheckpointError when the file is missing, damaged, or has an index twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        entries = [line.rsplit(" => ", 1) for line in lines[: lines.index(END)]]
        pairs = [(int(index), ast.literal_eval(label)) for label, index in entries]
    except (OSError, ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a label file of speechbrain ({error})") from error
    labels = dict(pairs)
    if not labels or len(labels) != len(pairs) or not all(isinstance(label, str) for label in labels.values()):
        raise CheckpointError(f"{path}: not a label file of speechbrain: empty, an index twice, or a label of no text")
    return labels
