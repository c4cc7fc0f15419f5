"""Getting a released checkpoint: from an installed package, by resumable download or by hand; checked alike."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path, PureWindowsPath

import pooch
import requests
from tqdm import tqdm

from emotrace.corpus.files import atomic_file, atomic_folder, file_sha256, write_text_atomic
from emotrace.paths import checkpoints
from emotrace.released.checkpoints import Checkpoint, Download, MissingCheckpointError
from emotrace.weights import CheckpointError

LOCK = "checkpoints.lock.json"
TIMEOUT = (10, 60)  # seconds to connect, and between two packets
CHUNK = 1 << 16  # bytes that an interruption may lose
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


def obtain(checkpoint: Checkpoint, folder: Path | None = None, *, accept_licence: bool = False) -> Path:
    """The path that the checkpoint's loader takes, after every file of it has been checked.

    A missing file is copied from an installed package that carries it, or else downloaded, unless its licence has to be
    accepted and was not. Raises MissingCheckpointError when a file cannot be had, CheckpointError when one is not the
    published or the recorded one or an archive is damaged or dangerous. Nothing half-written ever stands under a final
    name.
    """
    root = checkpoints(folder)
    home, archive = root / checkpoint.folder, checkpoint.archive
    if archive is None or not home.exists():
        for download in checkpoint.downloads:
            path = checkpoint.place(download, root)
            if not path.exists() and not _copied(download, path):
                _fetch(checkpoint, download, root, path, accept_licence)
            check(root, {path: download.sha256}, source=download.url)
    if archive is None:
        return checkpoint.path(root)
    if not home.exists():
        unpack(checkpoint.place(archive, root), home)
    path = checkpoint.path(root)
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    check(root, dict.fromkeys(files), source=archive.url)
    return path


def _copied(download: Download, path: Path) -> bool:
    """Whether installed packages carry a file; then it is joined from their parts."""
    specs = [(find_spec(part.partition("/")[0]), part.partition("/")[2]) for part in download.wheels]
    parts = [Path(spec.origin).parent / file for spec, file in specs if spec is not None and spec.origin]
    if not parts or len(parts) < len(specs) or not all(part.is_file() for part in parts):
        return False
    with atomic_file(path) as temporary, temporary.open("wb") as joined:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, joined)
    return True


def _fetch(checkpoint: Checkpoint, download: Download, root: Path, path: Path, accept_licence: bool) -> None:
    if not (checkpoint.redistributable or accept_licence):
        reason = "it is not there, and its licence has to be accepted before it is downloaded"
        raise MissingCheckpointError(checkpoint.instructions(root, reason=reason))
    pooch.get_logger().setLevel(logging.WARNING)  # it recommends a known_hash; ours is in the lock file
    resuming = partial(_download, path.with_name(f"{path.name}.part"))
    try:
        pooch.retrieve(download.url, download.sha256, fname=path.name, path=path.parent, downloader=resuming)
    except (requests.RequestException, OSError) as error:
        reason = f"the download failed ({error})"
        raise MissingCheckpointError(checkpoint.instructions(root, reason=reason)) from error
    except ValueError as error:  # pooch's, of the digest
        raise CheckpointError(
            f"{download.url}: the server sent another or damaged file than the published {download.sha256}; "
            f"nothing was kept. Try again; if it stays so, the release has changed ({error})"
        ) from error


def _download(part: Path, url: str, target: str, _: object) -> None:
    """A downloader of pooch that goes on where an interrupted one stopped, if the server still has the same file.

    The bytes gather in ``part``; beside it lies the server's tag (ETag or date) of the file, empty if it gives none.
    """
    tag = part.with_name(f"{part.name}.tag")
    headers = {"Accept-Encoding": "identity"}
    if part.exists() and tag.exists() and tag.read_text():
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": tag.read_text()}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if "Range" in headers and response.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink()  # it is not the beginning of this file
            return _download(part, url, target, None)
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        if not resumed:
            etag = response.headers.get("ETag") or "W/"
            tag.write_text(response.headers.get("Last-Modified", "") if etag.startswith("W/") else etag)
        start, rest = part.stat().st_size if resumed else 0, int(response.headers.get("Content-Length", 0))
        bar = tqdm(desc=part.stem, total=start + rest or None, initial=start, unit="B", unit_scale=True, disable=None)
        with bar, part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                bar.update(file.write(chunk))
    tag.unlink()
    os.replace(part, target)


resumable_download = _download  #: the same, for other downloads through pooch


def check(folder: Path, files: Mapping[Path, str | None], *, source: str) -> None:
    """Compare files below a checkpoint folder with their published digest, where there is one, and the recorded one.

    The folder's `LOCK` file records what was seen first: path (with "/") -> sha256. Nothing is recorded unless every
    file passes. ``source`` says where the right ones come from. Raises CheckpointError naming the file that differs,
    or a damaged lock file.
    """
    lock, digests = folder / LOCK, {}
    try:
        recorded = json.loads(lock.read_text(encoding="utf-8")) if lock.exists() else {}
        if not isinstance(recorded, dict) or not all(isinstance(value, str) for value in recorded.values()):
            raise ValueError("no checksums by file name")
    except ValueError as error:
        raise CheckpointError(f"{lock}: damaged ({error}); restore it, or delete it to trust anew") from error
    for path, published in files.items():
        key, digest = path.relative_to(folder).as_posix(), file_sha256(path)
        for expected, who in ((published, "its publisher states"), (recorded.get(key), f"{lock} records")):
            if expected not in (None, digest):
                raise CheckpointError(
                    f"{path}: another or damaged file: its sha256 is {digest}, but {who} {expected}. "
                    f"Move it away and get the released one from {source}."
                )
        digests[key] = digest
    if digests.items() - recorded.items():
        write_text_atomic(lock, json.dumps(recorded | digests, indent=1, sort_keys=True) + "\n")


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar into the new folder ``target``: wholly, or not at all.

    Raises CheckpointError for an absolute path, a path with "..", a link or a device, and for a damaged or encrypted
    archive; FileExistsError when ``target`` holds something.
    """
    with atomic_folder(target) as temporary:
        try:
            if archive.suffix == ".zip":
                with zipfile.ZipFile(archive) as file:
                    for info in file.infolist():
                        kind = stat.S_IFMT(info.external_attr >> 16)
                        _require_harmless(archive, info.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
                    file.extractall(temporary)
            else:
                with tarfile.open(archive) as file:
                    for info in file.getmembers():
                        _require_harmless(archive, info.name, info.isfile() or info.isdir())
                    file.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)  # from 3.11.4
                    file.extractall(temporary)
        except DAMAGE as error:
            message = f"{archive}: cannot be unpacked ({error}); nothing was kept. If it is damaged, get it again"
            raise CheckpointError(message) from error


def _require_harmless(archive: Path, member: str, plain: bool) -> None:
    """Raises CheckpointError unless a member is a plain file or folder inside the archive's own folder.

    Backslashes and drive letters count as on Windows, wherever this runs.
    """
    place = PureWindowsPath(member)
    leaves = bool(place.anchor) or ".." in place.parts
    if leaves or not plain:
        reason = "a path that leaves its folder" if leaves else "a link or a device"
        raise CheckpointError(f"{archive}: refused, nothing unpacked: member '{member}' is {reason}")
