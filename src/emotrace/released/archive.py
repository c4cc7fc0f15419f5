"""Archives from elsewhere, unpacked without letting any member out of its folder."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from emotrace.corpus.files import atomic_folder
from emotrace.weights import CheckpointError

Opener = Callable[[], BinaryIO]
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar into the new folder `target`: wholly, or not at all.

    Every member is judged before the first is written. Raises CheckpointError for an absolute path, a path with "..",
    a link or a device, and for a damaged or encrypted archive; FileExistsError when `target` holds something.
    """
    with atomic_folder(target) as temporary:
        try:
            with _members(archive) as members:
                for place, opener in members:
                    _write(temporary / place, opener)
        except DAMAGE as error:
            message = f"{archive}: cannot be unpacked ({error}); nothing was kept. If it is damaged, get it again"
            raise CheckpointError(message) from error


@contextmanager
def _members(archive: Path) -> Iterator[list[tuple[PurePosixPath, Opener]]]:
    """The regular files of an open archive and how to read each; raises CheckpointError for any that is dangerous."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as file:
            yield [(place, lambda info=info: file.open(info)) for place, info in _zip_files(archive, file)]
    else:
        with tarfile.open(archive) as file:
            yield [(place, lambda info=info: file.extractfile(info)) for place, info in _tar_files(archive, file)]


def _zip_files(archive: Path, file: zipfile.ZipFile) -> list[tuple[PurePosixPath, zipfile.ZipInfo]]:
    for info in file.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(archive, info.filename, "a link or a device")
    places = [(_inside(archive, info.filename), info) for info in file.infolist()]
    return [(place, info) for place, info in places if not info.is_dir()]


def _tar_files(archive: Path, file: tarfile.TarFile) -> list[tuple[PurePosixPath, tarfile.TarInfo]]:
    for info in file.getmembers():
        if not (info.isfile() or info.isdir()):
            raise _refused(archive, info.name, "a link or a device")
    places = [(_inside(archive, info.name), info) for info in file.getmembers()]
    return [(place, info) for place, info in places if info.isfile()]


def _inside(archive: Path, name: str) -> PurePosixPath:
    """The member's place, relative. Backslashes and drive letters count as on Windows, wherever this runs."""
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or ":" in name.replace("\\", "/").split("/")[0]:
        raise _refused(archive, name, "a path that leaves its folder")
    return place


def _refused(archive: Path, name: str, what: str) -> CheckpointError:
    return CheckpointError(f"{archive}: refused, nothing unpacked: member '{name}' is {what}")


def _write(path: Path, opener: Opener) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with opener() as source, open(path, "xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
