"""Files: written atomically, so that a file or folder is complete under its name or absent; found; hashed."""

import hashlib
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePath

AUDIO_SUFFIXES = (".wav", ".flac")  # in any case


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, delete it on failure.

    Host and process id are in the name, so two processes that write the same file cannot mix their bytes, be they on
    two machines that share the folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomic(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; rename it to `path` on success, delete it on failure.

    Raises FileExistsError, before any work, when `path` already holds something.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} already exists and is not empty: remove it, or choose another folder")
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, also behind links to folders elsewhere, which rglob would pass over."""
    for place, _, names in os.walk(folder, followlinks=True):
        yield from (Path(place, name) for name in names)


def is_audio(path: PurePath) -> bool:
    """Whether a file is audio by its name, and not what macOS archives shadow it by: "__MACOSX/.../._NAME"."""
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith("._")


def file_sha256(path: Path) -> str:
    """sha256, hexadecimal, of a file; read again only when its size or its time has changed."""
    stat = path.stat()
    return _file_sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _file_sha256(path: Path, size: int, time: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
