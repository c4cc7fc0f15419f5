"""Weights in torch's own files, read without torch.

Both formats hold a pickle that names tensors by storage, offset, shape and stride, and the storages as bytes: members
of a zip archive, or in older files one after another behind the pickle. Format: pytorch, torch/serialization.py.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from emotrace.weights import CheckpointError

_ITEMS = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8"}
_HEADER = 3  # pickles before the content of an older file: a magic number, the protocol, the machine


class _Storage(NamedTuple):
    key: str
    kind: np.dtype


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self, content: bytes) -> np.ndarray:
        """The tensor in the bytes of its storage."""
        flat = np.frombuffer(content, self.storage.kind)[self.offset :]
        strides = [step * self.storage.kind.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Builds tensors and dictionaries, nothing else: no code of the file is run."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[str, Callable[..., Any]] = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": lambda storage, offset, shape, stride, *_: _Tensor(
                storage, offset, shape, stride
            ),
        } | {f"torch.{storage}": np.dtype(item) for storage, item in _ITEMS.items()}
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}")
        return known[f"{module}.{name}"]

    def persistent_load(self, identity: tuple[Any, ...]) -> _Storage:
        _, kind, key, *_ = identity
        return _Storage(key, kind)


def read_state(path: Path, key: str) -> dict[str, np.ndarray]:
    """The tensors below ``key`` of a file that torch wrote, by name.

    Raises:
        CheckpointError: no such file, damaged, or more in it than tensors and dictionaries.
    """
    try:
        if zipfile.is_zipfile(path):
            return _from_archive(path, key)
        with path.open("rb") as file:
            return _from_stream(file, key)
    except (OSError, EOFError, KeyError, ValueError, TypeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: no weights '{key}' can be read ({error})") from error


def _from_archive(path: Path, key: str) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(pickled) as file:
            state: Mapping[str, _Tensor] = _Unpickler(file).load()[key]
        folder = pickled.removesuffix("data.pkl") + "data/"
        return {name: tensor.array(archive.read(folder + tensor.storage.key)) for name, tensor in state.items()}


def _from_stream(file: BinaryIO, key: str) -> dict[str, np.ndarray]:
    for _ in range(_HEADER):
        _Unpickler(file).load()
    content = _Unpickler(file).load()
    kinds = {tensor.storage.key: tensor.storage.kind for tensor in _tensors(content)}
    storages = {}
    for name in _Unpickler(file).load():
        size = int.from_bytes(file.read(8), "little")
        storages[name] = file.read(size * kinds[name].itemsize)
    return {name: tensor.array(storages[tensor.storage.key]) for name, tensor in content[key].items()}


def _tensors(content: Any) -> list[_Tensor]:
    """Every tensor in nested dictionaries and lists."""
    if isinstance(content, _Tensor):
        return [content]
    inner = content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ()
    return [tensor for each in inner for tensor in _tensors(each)]
