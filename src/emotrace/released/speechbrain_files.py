"""speechbrain's hyperparams.yaml and label files, read as data.

speechbrain's own reader of YAML (HyperPyYAML) imports and calls whatever a file names, so a downloaded file could run
any code. Here a tag (!new:, !name:, !apply:, !ref, ...) stays a tag with its arguments, and nothing is imported or
called.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from emotrace.weights import CheckpointError

DEPTH = 20  # references to references, lists in lists
SEPARATOR = " => "
END = "================"  # of the labels; what follows are options of speechbrain's encoder


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
            values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path}: not a hyperparams.yaml: {error}") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{path}: not a hyperparams.yaml: no mapping at its top level")
        return cls(Path(path), values)

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
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        entries = [line.rsplit(SEPARATOR, 1) for line in lines[: lines.index(END)]]
        pairs = [(int(index), ast.literal_eval(label)) for label, index in entries]
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a label file of speechbrain ({error})") from error
    labels = dict(pairs)
    if not labels or len(labels) != len(pairs) or not all(isinstance(label, str) for label in labels.values()):
        raise CheckpointError(f"{path}: not a label file of speechbrain: empty, an index twice, or a label of no text")
    return labels
