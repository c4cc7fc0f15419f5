"""Getting a released checkpoint: by resumable download or from the user's hand, checked alike, whole or not at all."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from emotrace.released.archive import unpack
from emotrace.released.checkpoint import Checkpoint, Download, MissingCheckpointError, checkpoint_folder
from emotrace.released.lock import Lock
from emotrace.weights import CheckpointError

TIMEOUT = (10, 60)  # seconds to connect, and between two packets
CHUNK = 1 << 16  # what an interruption may lose


def obtain(checkpoint: Checkpoint, folder: Path | None = None, *, accept_licence: bool = False) -> Path:
    """The path that the checkpoint's loader takes, after every file of it has been checked.

    A file that is missing is downloaded, unless its licence has to be accepted and was not. Raises
    MissingCheckpointError when it cannot be had, CheckpointError when a file is not the released or the recorded one or
    an archive is damaged or dangerous. Nothing half-written ever stands under a final name.
    """
    root = checkpoint_folder(folder)
    allowed = checkpoint.automatic or accept_licence
    if checkpoint.archive:
        _obtain_unpacked(checkpoint, checkpoint.archive, root, allowed)
    else:
        for download in checkpoint.downloads:
            _obtain_file(checkpoint, download, root, root / checkpoint.folder / download.file, allowed)
    return checkpoint.path(root)


def _obtain_unpacked(checkpoint: Checkpoint, archive: Download, root: Path, allowed: bool) -> None:
    home = root / checkpoint.folder
    if not home.exists():
        file = root / archive.file
        _obtain_file(checkpoint, archive, root, file, allowed)
        unpack(file, home)
    path = checkpoint.path(root)
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    Lock(root).check(dict.fromkeys(files), source=archive.url)


def _obtain_file(checkpoint: Checkpoint, download: Download, root: Path, path: Path, allowed: bool) -> None:
    if not path.exists():
        if not allowed:
            reason = "it is not there, and its licence has to be accepted before it is downloaded"
            raise MissingCheckpointError(checkpoint.instructions(root, reason=reason))
        _fetch(checkpoint, download, root, path)
    Lock(root).check({path: download.sha256}, source=download.url)


def _fetch(checkpoint: Checkpoint, download: Download, root: Path, path: Path) -> None:
    pooch.get_logger().setLevel(logging.WARNING)  # it recommends a known_hash; ours is in the lock file
    downloader = ResumingDownloader(path.with_name(f"{path.name}.part"), download.sha256)
    try:
        pooch.retrieve(download.url, known_hash=None, fname=path.name, path=path.parent, downloader=downloader)
    except (requests.RequestException, OSError) as error:
        reason = f"the download failed ({error})"
        raise MissingCheckpointError(checkpoint.instructions(root, reason=reason)) from error


@dataclass(frozen=True)
class ResumingDownloader:
    """A pooch downloader that goes on where an interrupted one stopped, if the server still has the same file.

    Attributes:
        part: where the bytes gather; beside it lies the server's tag of the file.
        sha256: published digest or its leading digits; None to accept any.
    """

    part: Path
    sha256: str | None = None

    def __call__(self, url: str, output_file: str, pooch_object: object, check_only: bool = False) -> None:
        """Download into `output_file`. Raises requests.RequestException, or CheckpointError on another digest."""
        self._gather(url)
        digest = pooch.file_hash(str(self.part), alg="sha256")
        self._tag_file.unlink(missing_ok=True)
        if self.sha256 and not digest.startswith(self.sha256):
            self.part.unlink()
            raise CheckpointError(
                f"{url}: the server sent another or damaged file: sha256 {digest}, published {self.sha256}; "
                "nothing was kept. Try again; if it stays so, the release has changed"
            )
        os.replace(self.part, output_file)

    @property
    def _tag_file(self) -> Path:
        return self.part.with_name(f"{self.part.name}.tag")

    def _gather(self, url: str) -> None:
        """Fill `part` with the whole file."""
        resume = self._resume_headers()
        with requests.get(
            url, headers={"Accept-Encoding": "identity"} | resume, stream=True, timeout=TIMEOUT
        ) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable and resume:
                self._tag_file.unlink()  # there is no more to get: what lies there is not the beginning of this file
                return self._gather(url)
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            if not resumed:
                self._remember(response)
            self._append(response, self.part.stat().st_size if resumed else 0)

    def _resume_headers(self) -> dict[str, str]:
        """Ask for the rest, but for the whole if the file has changed; a part without a tag is not trusted."""
        if not (self.part.exists() and self._tag_file.exists()):
            return {}
        return {"Range": f"bytes={self.part.stat().st_size}-", "If-Range": self._tag_file.read_text(encoding="ascii")}

    def _remember(self, response: requests.Response) -> None:
        tag = response.headers.get("ETag", "")
        tag = response.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
        self._tag_file.unlink(missing_ok=True)
        if tag:
            self._tag_file.write_text(tag, encoding="ascii")

    def _append(self, response: requests.Response, start: int) -> None:
        total = start + int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
        bar = tqdm(desc=self.part.stem, total=total, initial=start, unit="B", unit_scale=True, disable=None)
        with bar, open(self.part, "ab" if start else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                bar.update(file.write(chunk))
        if total is not None and self.part.stat().st_size != total:
            raise requests.ConnectionError(f"{self.part.stat().st_size} of {total} bytes arrived")
