"""The registry of released checkpoints, and the lock file of their checksums."""

import hashlib
import json
import re

import pytest

from emotrace.released.checkpoint import DEFAULT, VARIABLE, MissingCheckpointError, checkpoint_folder
from emotrace.released.lock import LOCK, Lock
from emotrace.released.registry import CHECKPOINTS, find
from emotrace.weights import CheckpointError

ENTRIES = pytest.mark.parametrize("entry", CHECKPOINTS.values(), ids=CHECKPOINTS)


@ENTRIES
def test_an_entry_says_where_it_comes_from_and_what_is_accepted(entry):
    assert entry.purpose and entry.licence and entry.page.startswith("https://")
    for download in entry.downloads:
        assert download.url.startswith("https://") and download.url.endswith(f"/{download.file}")
        assert download.sha256 is None or re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", download.sha256)


@ENTRIES
def test_an_archive_is_the_only_file_of_its_entry(entry):
    archives = [download for download in entry.downloads if download.is_archive]
    assert len(archives) == (entry.archive is not None)
    assert not archives or len(entry.downloads) == 1


@ENTRIES
def test_what_may_not_be_passed_on_is_not_downloaded_without_asking(entry):
    assert entry.redistributable or not entry.automatic


@ENTRIES
def test_the_message_names_what_where_from_which_licence_and_where_to(entry, tmp_path):
    with pytest.raises(MissingCheckpointError) as caught:
        entry.path(tmp_path)
    message = str(caught.value)
    files = [tmp_path / d.file if d.is_archive else tmp_path / entry.folder / d.file for d in entry.downloads]
    for part in (entry.name, entry.purpose, entry.licence, VARIABLE, *map(str, files)):
        assert part in message
    assert all(download.url in message for download in entry.downloads)


def test_files_of_several_entries_do_not_collide():
    archives = {(e.folder, e.archive.url) for e in CHECKPOINTS.values() if e.archive}
    assert len({folder for folder, _ in archives}) == len(archives) == len({url for _, url in archives})
    assert len({url.rsplit("/", 1)[1] for _, url in archives}) == len(archives)


def test_soft_vcs_prefix_is_the_one_in_its_name():
    (download,) = find("hubert_soft").downloads
    assert download.sha256 in download.file


def test_the_folder_is_given_or_in_the_environment_or_in_the_repository(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "shared"))
    assert checkpoint_folder(tmp_path) == tmp_path
    assert checkpoint_folder() == tmp_path / "shared"
    monkeypatch.delenv(VARIABLE)
    assert checkpoint_folder() == DEFAULT and DEFAULT.parts[-2:] == ("work", "checkpoints")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match="ssl_sas_generator.*vpc_ser"):
        find("g_00100000")


def test_of_several_generators_the_last_counts(tmp_path):
    entry = find("ssl_sas_generator")
    folder = tmp_path / "ssl_sas/anywhere/libri_tts_clean_100_fbank_xv_ssl_freeze"
    folder.mkdir(parents=True)
    for step in (90_000, 100_000, 20_000):
        (folder / f"g_{step:08d}").touch()
    assert entry.path(tmp_path) == folder / "g_00100000"


def test_a_folder_with_a_file_too_few_is_missing(tmp_path):
    entry = find("hubert_base")
    (tmp_path / "hubert_base").mkdir()
    (tmp_path / "hubert_base/config.json").touch()
    with pytest.raises(MissingCheckpointError, match="pytorch_model.bin"):
        entry.path(tmp_path)
    (tmp_path / "hubert_base/pytorch_model.bin").touch()
    assert entry.path(tmp_path) == tmp_path / "hubert_base"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model" / "weights.bin"
    path.parent.mkdir()
    path.write_bytes(b"released")
    return path


def test_the_first_sight_is_recorded_and_enforced_afterwards(file, tmp_path):
    lock = Lock(tmp_path)
    lock.check({file: None}, source="https://x")
    assert json.loads((tmp_path / LOCK).read_text()) == {"model/weights.bin": hashlib.sha256(b"released").hexdigest()}
    lock.check({file: None}, source="https://x")
    file.write_bytes(b"replaced")
    with pytest.raises(CheckpointError, match="weights.bin: another or damaged file.*records.*https://x"):
        lock.check({file: None}, source="https://x")


@pytest.mark.parametrize("digits", [64, 8])
def test_a_published_digest_or_its_beginning_is_enforced_from_the_start(file, tmp_path, digits):
    Lock(tmp_path).check({file: hashlib.sha256(b"released").hexdigest()[:digits]}, source="https://x")
    wrong = hashlib.sha256(b"another").hexdigest()[:digits]
    with pytest.raises(CheckpointError, match=f"publisher states {wrong}"):
        Lock(tmp_path).check({file: wrong}, source="https://x")


def test_nothing_is_recorded_when_one_file_of_several_is_wrong(file, tmp_path):
    other = file.with_name("other.bin")
    other.write_bytes(b"x")
    with pytest.raises(CheckpointError):
        Lock(tmp_path).check({file: None, other: "0" * 64}, source="https://x")
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_damaged_lock_file_is_not_taken_for_an_empty_one(file, tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(CheckpointError, match="delete it to trust anew"):
        Lock(tmp_path).check({file: None}, source="https://x")
