"""Getting a released checkpoint: by resumable download or from the user's hand, checked alike, whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import pooch
import requests
from tqdm import tqdm

from emotrace.corpus.files import atomic_folder, write_text_atomic
from emotrace.paths import checkpoints
from emotrace.released.checkpoints import Checkpoint, Download, MissingCheckpointError
from emotrace.weights import CheckpointError

LOCK = "checkpoints.lock.json"
TIMEOUT = (10, 60)  # seconds to connect, and between two packets
CHUNK = 1 << 16  # bytes that an interruption may lose
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


def obtain(checkpoint: Checkpoint, folder: Path | None = None, *, accept_licence: bool = False) -> Path:
    """The path that the checkpoint's loader takes, after every file of it has been checked.

    A missing file is downloaded, unless its licence has to be accepted and was not. Raises MissingCheckpointError when
    a file cannot be had, CheckpointError when one is not the published or the recorded one or an archive is damaged or
    dangerous. Nothing half-written ever stands under a final name.
    """
    root = checkpoints(folder)
    home = root / checkpoint.folder
    if not checkpoint.archive:
        for download in checkpoint.downloads:
            _obtain_file(checkpoint, download, root, home / download.file, accept_licence)
        return checkpoint.path(root)
    if not home.exists():
        archive = root / checkpoint.archive.file
        _obtain_file(checkpoint, checkpoint.archive, root, archive, accept_licence)
        unpack(archive, home)
    path = checkpoint.path(root)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    Lock(root).check(dict.fromkeys(files), source=checkpoint.archive.url)
    return path


def _obtain_file(checkpoint: Checkpoint, download: Download, root: Path, path: Path, accept_licence: bool) -> None:
    if not path.exists():
        if not (checkpoint.redistributable or accept_licence):
            reason = "it is not there, and its licence has to be accepted before it is downloaded"
            raise MissingCheckpointError(checkpoint.instructions(root, reason=reason))
        try:
            _fetch(download, path)
        except (requests.RequestException, OSError) as error:
            reason = f"the download failed ({error})"
            raise MissingCheckpointError(checkpoint.instructions(root, reason=reason)) from error
        except ValueError as error:  # pooch's, of the digest
            raise CheckpointError(
                f"{download.url}: the server sent another or damaged file than the published {download.sha256}; "
                f"nothing was kept. Try again; if it stays so, the release has changed ({error})"
            ) from error
    Lock(root).check({path: download.sha256}, source=download.url)


def _fetch(download: Download, path: Path) -> None:
    pooch.get_logger().setLevel(logging.WARNING)  # it recommends a known_hash; ours is in the lock file
    downloader = ResumingDownloader(path.with_name(f"{path.name}.part"))
    pooch.retrieve(download.url, download.sha256, fname=path.name, path=path.parent, downloader=downloader)


@dataclass(frozen=True)
class ResumingDownloader:
    """A pooch downloader that goes on where an interrupted one stopped, if the server still has the same file.

    ``part`` is the file in which the bytes gather; beside it lies the server's tag (ETag or date) of the file.
    """

    part: Path

    def __call__(self, url: str, output_file: str, pooch_object: object, check_only: bool = False) -> None:
        """Download into ``output_file``. Raises requests.RequestException."""
        with self._open(url) as response:
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            if not resumed:
                self._remember(response)
            self._append(response, self.part.stat().st_size if resumed else 0)
        self._tag.unlink(missing_ok=True)
        os.replace(self.part, output_file)

    @property
    def _tag(self) -> Path:
        return self.part.with_name(f"{self.part.name}.tag")

    def _open(self, url: str) -> requests.Response:
        """The server's answer: the rest of the file, or all of it where the part is not the beginning of that file."""
        headers = {"Accept-Encoding": "identity"}
        if self.part.exists() and self._tag.exists():  # a part without a tag is not trusted
            headers |= {"Range": f"bytes={self.part.stat().st_size}-", "If-Range": self._tag.read_text("ascii")}
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
        if response.status_code == requests.codes.requested_range_not_satisfiable and "Range" in headers:
            response.close()
            self._tag.unlink()  # there is nothing after the part: it is not the beginning of this file
            return self._open(url)
        return response

    def _remember(self, response: requests.Response) -> None:
        tag = response.headers.get("ETag", "")
        tag = response.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
        self._tag.unlink(missing_ok=True)
        if tag:
            self._tag.write_text(tag, encoding="ascii")

    def _append(self, response: requests.Response, start: int) -> None:
        total = start + int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
        bar = tqdm(desc=self.part.stem, total=total, initial=start, unit="B", unit_scale=True, disable=None)
        with bar, open(self.part, "ab" if start else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                bar.update(file.write(chunk))
        if total is not None and self.part.stat().st_size != total:
            raise requests.ConnectionError(f"{self.part.stat().st_size} of {total} bytes arrived")


@dataclass(frozen=True)
class Lock:
    """The checksums of the files that were seen in a checkpoint folder: what was used once is what is used.

    One JSON file in the folder: path below it (with "/") -> sha256, hexadecimal.
    """

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / LOCK

    def read(self) -> dict[str, str]:
        """What was recorded; empty before the first file. Raises CheckpointError when the lock file is damaged."""
        if not self.path.exists():
            return {}
        try:
            recorded = json.loads(self.path.read_text(encoding="utf-8"))
            if not isinstance(recorded, dict) or not all(isinstance(value, str) for value in recorded.values()):
                raise ValueError("no checksums by file name")
        except ValueError as error:
            raise CheckpointError(f"{self.path}: damaged ({error}); restore it, or delete it to trust anew") from error
        return recorded

    def check(self, files: Mapping[Path, str | None], *, source: str) -> None:
        """Compare files with their published digest, where there is one, and the recorded one; record new ones.

        Nothing is recorded unless every file passes. ``source`` says where the right ones come from. Raises
        CheckpointError naming the file that differs.
        """
        recorded, digests = self.read(), {}
        for path, published in files.items():
            key, digest = path.relative_to(self.folder).as_posix(), pooch.file_hash(str(path), alg="sha256")
            for expected, who in ((published, "its publisher states"), (recorded.get(key), f"{self.path} records")):
                if expected not in (None, digest):
                    raise CheckpointError(
                        f"{path}: another or damaged file: its sha256 is {digest}, but {who} {expected}. "
                        f"Move it away and get the released one from {source}."
                    )
            digests[key] = digest
        if digests.items() - recorded.items():
            write_text_atomic(self.path, json.dumps(recorded | digests, indent=1, sort_keys=True) + "\n")


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
