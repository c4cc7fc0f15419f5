"""A released checkpoint: its files, its licence, where it belongs, and what to tell the user when it is not there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from emotrace.weights import CheckpointError

VARIABLE = "EMOTRACE_CHECKPOINTS"
DEFAULT = Path(__file__).resolve().parents[3] / "work" / "checkpoints"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


class MissingCheckpointError(CheckpointError):
    """A checkpoint that is not there; the message says where it comes from and where it belongs."""


@dataclass(frozen=True)
class Download:
    """One published file.

    Attributes:
        file: its name, on the server and here.
        url: where it is.
        sha256: the published hexadecimal digest or its leading digits; None where none is published.
        megabytes: size in 1e6 bytes, rounded as the page gives it; None where no page does.
    """

    file: str
    url: str
    sha256: str | None = None
    megabytes: float | None = None

    @property
    def is_archive(self) -> bool:
        return self.file.endswith(ARCHIVES)


@dataclass(frozen=True)
class Checkpoint:
    """A model as it was released.

    Attributes:
        name: key in the registry.
        purpose: what the study uses it for.
        page: where its publisher describes it.
        licence: what the user accepts by downloading it.
        downloads: its files; an archive is the only one of its entry and may be shared by several entries.
        folder: where it lies below the checkpoint folder: its plain files, or what its archive unpacks to.
        member: where in `folder` the file lies, a glob; None when the loader takes the folder itself.
        automatic: whether it is downloaded without asking; otherwise the licence has to be accepted first.
        redistributable: whether the licence allows passing the file on.
    """

    name: str
    purpose: str
    page: str
    licence: str
    downloads: tuple[Download, ...]
    folder: str
    member: str | None = None
    automatic: bool = True
    redistributable: bool = True

    @property
    def archive(self) -> Download | None:
        """Its archive, or None for plain files."""
        return self.downloads[0] if self.downloads[0].is_archive else None

    def path(self, folder: Path | None = None) -> Path:
        """What the loader takes: a file, or a folder of several. Raises MissingCheckpointError when it is not there.

        Of several matches the last by name counts, as in the originals (g_00100000 before g_00090000).
        """
        root = checkpoint_folder(folder)
        home = root / self.folder
        matches = sorted(home.glob(self.member)) if self.member else [home]
        if not matches or not self._whole(matches[-1]):
            raise MissingCheckpointError(self.instructions(root))
        return matches[-1]

    def _whole(self, path: Path) -> bool:
        """Whether a file is there, or all plain files of a folder, or anything in the folder of an unpacked archive."""
        if self.member or self.archive:
            return path.is_file() or (path.is_dir() and any(path.iterdir()))
        return all((path / download.file).is_file() for download in self.downloads)

    def instructions(self, folder: Path | None = None, *, reason: str = "it is not there") -> str:
        """The one message for a checkpoint that cannot be used: what, where from, what to accept, where to put it."""
        root = checkpoint_folder(folder)
        if self.archive:
            urls, place = self.archive.url, f"{root / self.archive.file} (or unpack it into {root / self.folder})"
        else:
            urls = ", ".join(download.url for download in self.downloads)
            place = ", ".join(str(root / self.folder / download.file) for download in self.downloads)
        return (
            f"checkpoint '{self.name}' ({self.purpose}): {reason}. "
            f"Get it from {urls} (see {self.page}); by that you accept its licence: {self.licence}. "
            f"Put it at {place}; {VARIABLE} names another checkpoint folder."
        )


def checkpoint_folder(folder: Path | None = None) -> Path:
    """The folder given, else $EMOTRACE_CHECKPOINTS, else work/checkpoints of the repository."""
    return Path(folder or os.environ.get(VARIABLE) or DEFAULT)
