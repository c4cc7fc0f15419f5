"""CTranslate2's files of weights, as faster-whisper takes them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from emotrace.weights import CheckpointError


def read_ctranslate2(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays of a CTranslate2 file, version 6; floats as float32.

    Format: CTranslate2, python/ctranslate2/specs/model_spec.py, `ModelSpec._serialize`. Raises CheckpointError.
    """
    kinds = (np.float32, np.int8, np.int16, np.int32, np.float16)
    with path.open("rb") as file:
        try:
            if (version := _number(file, "I")) != 6:
                raise ValueError(f"version {version}, expected 6")
            _text(file), _number(file, "I")  # the specification's name and revision
            for _ in range(_number(file, "I")):
                name, shape = _text(file), [_number(file, "I") for _ in range(_number(file, "B"))]
                kind, size = kinds[_number(file, "B")], _number(file, "I")
                array = np.frombuffer(file.read(size), kind).reshape(shape)
                yield name, array.astype(np.float32) if array.dtype.kind == "f" else array.copy()
        except (struct.error, ValueError, IndexError) as error:
            raise CheckpointError(f"{path}: not a model of CTranslate2 ({error})") from error


def _number(file: BinaryIO, kind: str) -> int:
    return struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0]


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()
