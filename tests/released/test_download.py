"""Getting checkpoints: interrupted and resumed downloads, wrong files, archives that want out, files put by hand."""

import hashlib
import io
import json
import stat
import tarfile
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from emotrace.released import download
from emotrace.released.checkpoints import Checkpoint, Download, MissingCheckpointError
from emotrace.released.download import LOCK, check, obtain, unpack
from emotrace.weights import CheckpointError

CONTENT = bytes(range(256)) * 4_000  # about 1 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves one file with Range and If-Range; `limit` breaks the connection after that many bytes of a response."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag, self.limit, self.ranges = CONTENT, '"first"', None, True
        self.requests, self.sent = [], 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/model.bin"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(self.headers.get("Range"))
        start = self._start()
        if start >= len(server.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.content) - start))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        body = server.content[start:][: server.limit]
        server.sent += len(body)
        self.wfile.write(body)
        self.close_connection = True

    def _start(self):
        asked = self.headers.get("Range")
        if not (asked and self.server.ranges and self.headers.get("If-Range") == self.server.tag):
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def entry(url, *, file="model.bin", sha256=None, **changes):
    options = {"name": "model", "purpose": "a model", "page": "https://page", "licence": "Test-1.0"}
    options |= {"folder": "model", "member": file} | changes
    return Checkpoint(downloads=(Download(url.replace("model.bin", file), sha256),), **options)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("sha256", [DIGEST, None])
def test_a_file_is_downloaded_once_and_checked(server, tmp_path, sha256):
    checkpoint = entry(server.url, sha256=sha256)
    path = obtain(checkpoint, tmp_path)
    assert path == tmp_path / "model/model.bin" and path.read_bytes() == CONTENT
    assert json.loads((tmp_path / LOCK).read_text()) == {"model/model.bin": DIGEST}
    assert files(tmp_path) == ["checkpoints.lock.json", "model/model.bin"]
    obtain(checkpoint, tmp_path)
    assert len(server.requests) == 1


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    checkpoint, server.limit = entry(server.url, sha256=DIGEST), 300_000
    with pytest.raises(MissingCheckpointError, match="the download failed"):
        obtain(checkpoint, tmp_path)
    assert files(tmp_path) == ["model/model.bin.part", "model/model.bin.part.tag"]
    kept, server.limit = (tmp_path / "model/model.bin.part").stat().st_size, None
    assert 300_000 - download.CHUNK < kept <= 300_000
    assert obtain(checkpoint, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={kept}-"]
    assert server.sent == 300_000 + len(CONTENT) - kept
    assert files(tmp_path) == ["checkpoints.lock.json", "model/model.bin"]


def test_a_file_that_changed_meanwhile_is_downloaded_anew(server, tmp_path):
    checkpoint, server.limit = entry(server.url), 300_000
    with pytest.raises(MissingCheckpointError):
        obtain(checkpoint, tmp_path)
    server.content, server.tag, server.limit = CONTENT[::-1], '"second"', None
    assert obtain(checkpoint, tmp_path).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_strong_tag_a_part_is_not_trusted(server, tmp_path, tag):
    checkpoint, server.limit, server.tag = entry(server.url), 300_000, tag
    with pytest.raises(MissingCheckpointError):
        obtain(checkpoint, tmp_path)
    server.limit = None
    assert obtain(checkpoint, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, None]


def test_a_server_without_ranges_sends_the_whole_file_again(server, tmp_path):
    checkpoint, server.limit, server.ranges = entry(server.url, sha256=DIGEST), 300_000, False
    with pytest.raises(MissingCheckpointError):
        obtain(checkpoint, tmp_path)
    server.limit = None
    assert obtain(checkpoint, tmp_path).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.bin.part").write_bytes(bytes(len(CONTENT) + 5))
    (tmp_path / "model/model.bin.part.tag").write_text(server.tag)
    assert obtain(entry(server.url, sha256=DIGEST), tmp_path).read_bytes() == CONTENT


def test_another_file_than_the_published_one_leaves_nothing(server, tmp_path):
    server.content = CONTENT[:-1]
    with pytest.raises(CheckpointError, match=f"published {DIGEST}; nothing was kept"):
        obtain(entry(server.url, sha256=DIGEST), tmp_path)
    assert files(tmp_path) == []


def test_after_the_first_download_a_different_file_is_refused(server, tmp_path):
    checkpoint = entry(server.url)
    path = obtain(checkpoint, tmp_path)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(CheckpointError, match="model.bin: another or damaged file"):
        obtain(checkpoint, tmp_path)
    path.unlink()
    server.content = CONTENT[:-1]  # the release itself has changed
    with pytest.raises(CheckpointError, match="model.bin: another or damaged file"):
        obtain(checkpoint, tmp_path)


def test_a_file_put_there_by_hand_is_checked_the_same(server, tmp_path):
    (tmp_path / "model").mkdir()
    path = tmp_path / "model/model.bin"
    path.write_bytes(CONTENT)
    assert obtain(entry(server.url, sha256=DIGEST), tmp_path) == path
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=f"publisher states {DIGEST}"):
        obtain(entry(server.url, sha256=DIGEST), tmp_path)
    assert path.read_bytes() == b"something else" and server.requests == []


def test_a_licence_has_to_be_accepted_first(server, tmp_path):
    checkpoint = entry(server.url, redistributable=False)
    with pytest.raises(MissingCheckpointError, match="licence has to be accepted.*Test-1.0"):
        obtain(checkpoint, tmp_path)
    assert server.requests == []
    assert obtain(checkpoint, tmp_path, accept_licence=True).read_bytes() == CONTENT


@pytest.mark.parametrize("reason", ["offline", "not found"])
def test_a_failed_download_is_one_message_that_says_what_to_do(server, tmp_path, reason):
    url = "http://127.0.0.1:9/model.bin" if reason == "offline" else server.url
    server.content = b""  # every request is answered with an error
    with pytest.raises(MissingCheckpointError) as caught:
        obtain(entry(url), tmp_path)
    for part in ("the download failed", url, "Test-1.0", str(tmp_path / "model/model.bin")):
        assert part in str(caught.value)
    assert files(tmp_path) == []


# ---- checksums ------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model" / "weights.bin"
    path.parent.mkdir()
    path.write_bytes(b"released")
    return path


def test_the_first_sight_is_recorded_and_enforced_afterwards(file, tmp_path):
    check(tmp_path, {file: None}, source="https://x")
    assert json.loads((tmp_path / LOCK).read_text()) == {"model/weights.bin": hashlib.sha256(b"released").hexdigest()}
    check(tmp_path, {file: None}, source="https://x")
    file.write_bytes(b"replaced")
    with pytest.raises(CheckpointError, match="weights.bin: another or damaged file.*records.*https://x"):
        check(tmp_path, {file: None}, source="https://x")


def test_a_published_digest_is_enforced_from_the_start(file, tmp_path):
    check(tmp_path, {file: hashlib.sha256(b"released").hexdigest()}, source="https://x")
    wrong = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(CheckpointError, match=f"publisher states {wrong}"):
        check(tmp_path, {file: wrong}, source="https://x")


def test_nothing_is_recorded_when_one_file_of_several_is_wrong(file, tmp_path):
    other = file.with_name("other.bin")
    other.write_bytes(b"x")
    with pytest.raises(CheckpointError):
        check(tmp_path, {file: None, other: "0" * 64}, source="https://x")
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_damaged_lock_file_is_not_taken_for_an_empty_one(file, tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(CheckpointError, match="delete it to trust anew"):
        check(tmp_path, {file: None}, source="https://x")


# ---- archives -------------------------------------------------------------------------------------------------------


def make_zip(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def make_tar(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


MAKERS = pytest.mark.parametrize(("suffix", "make"), [(".zip", make_zip), (".tar.gz", make_tar)], ids=["zip", "tar"])


@MAKERS
def test_an_archive_is_downloaded_unpacked_and_its_files_recorded(server, tmp_path, suffix, make):
    made = make(tmp_path / f"made{suffix}", {"exp/model/a.ckpt": b"weights", "exp/model/b.txt": b"labels"})
    server.content, root = made.read_bytes(), tmp_path / "root"
    checkpoint = entry(server.url, file=f"model{suffix}", member="**/a.ckpt")
    path = obtain(checkpoint, root)
    assert path == root / "model/exp/model/a.ckpt" and path.read_bytes() == b"weights"
    assert set(json.loads((root / LOCK).read_text())) == {f"model{suffix}", "model/exp/model/a.ckpt"}
    assert obtain(checkpoint, root) == path and len(server.requests) == 1
    path.write_bytes(b"replaced")
    with pytest.raises(CheckpointError, match="a.ckpt: another or damaged file"):
        obtain(checkpoint, root)


def test_every_file_of_an_unpacked_folder_is_enforced(server, tmp_path):
    made = make_zip(tmp_path / "made.zip", {"exp/model/a.ckpt": b"weights", "exp/model/b.txt": b"labels"})
    checkpoint = entry(server.url, file="model.zip", member=None)
    (tmp_path / "root").mkdir()
    made.rename(tmp_path / "root/model.zip")  # by hand
    path = obtain(checkpoint, tmp_path / "root")
    assert path == tmp_path / "root/model" and server.requests == []
    (path / "exp/model/b.txt").write_bytes(b"other labels")
    with pytest.raises(CheckpointError, match="b.txt: another or damaged file"):
        obtain(checkpoint, tmp_path / "root")


@MAKERS
@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out", "..\\out", "C:\\out", "C:out"])
def test_a_member_that_leaves_its_folder_is_refused(tmp_path, suffix, make, name):
    archive = make(tmp_path / f"evil{suffix}", {"good": b"x", name: b"out"})
    with pytest.raises(CheckpointError, match="refused, nothing unpacked: member .* leaves its folder"):
        unpack(archive, tmp_path / "inner" / "target")
    assert files(tmp_path) == [f"evil{suffix}"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    archive = make_tar(tmp_path / "evil.tar.gz", {"good": b"x", info: b""})
    with pytest.raises(CheckpointError, match="'link' is a link or a device"):
        unpack(archive, tmp_path / "target")
    assert files(tmp_path) == ["evil.tar.gz"]


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = make_zip(tmp_path / "evil.zip", {"good": b"x", info: b"/etc/passwd"})
    with pytest.raises(CheckpointError, match="'link' is a link or a device"):
        unpack(archive, tmp_path / "target")
    assert files(tmp_path) == ["evil.zip"]


@MAKERS
@pytest.mark.parametrize("damage", ["truncated", "flipped", "not an archive"])
def test_a_damaged_archive_leaves_nothing(tmp_path, suffix, make, damage):
    archive = make(tmp_path / f"model{suffix}", {"a": CONTENT, "b": CONTENT[::-1]})
    content = bytearray(archive.read_bytes())
    if damage == "flipped":
        for place in range(60, 90):
            content[place] ^= 0xFF
    archive.write_bytes(content[: len(content) // 2] if damage == "truncated" else content)
    if damage == "not an archive":
        archive.write_bytes(b"<html>")
    with pytest.raises(CheckpointError, match=f"model{suffix}: cannot be unpacked"):
        unpack(archive, tmp_path / "target")
    assert files(tmp_path) == [f"model{suffix}"]


def test_no_time_out_is_left_to_chance():
    connect, read = download.TIMEOUT
    assert 0 < connect <= 60 and 0 < read <= 120
