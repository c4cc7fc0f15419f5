"""The registry of released checkpoints: what each entry says, and where it is looked for."""

import math
import re

import pytest

from emotrace.paths import WORK, checkpoints
from emotrace.released.checkpoints import CHECKPOINTS, RECOGNISERS, SOURCES, VOCODERS, MissingCheckpointError

ENTRIES = pytest.mark.parametrize("entry", CHECKPOINTS.values(), ids=CHECKPOINTS)


@ENTRIES
def test_an_entry_says_where_it_comes_from_and_what_is_accepted(entry):
    assert entry.purpose and entry.licence and entry.page.startswith("https://")
    for download in entry.downloads:
        assert download.url.startswith("https://") and download.url.endswith(f"/{download.file}")
        assert download.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", download.sha256)


@ENTRIES
def test_an_archive_is_the_only_file_of_its_entry(entry):
    archives = [download for download in entry.downloads if download.is_archive]
    assert len(archives) == (entry.archive is not None)
    assert not archives or len(entry.downloads) == 1


@pytest.mark.parametrize("name", ["ssl_sas_generator", "style_encoder", *RECOGNISERS])
def test_what_its_licence_or_publisher_does_not_let_us_pass_on_is_marked(name):
    """Such checkpoints are downloaded only for users who accept the licence: test_download.py."""
    assert not CHECKPOINTS.find(name).redistributable


def test_what_the_papers_profile_takes_is_released():
    assert {*SOURCES.values(), *RECOGNISERS} <= set(CHECKPOINTS)
    assert len(VOCODERS) == 5 and set(VOCODERS) & set(SOURCES) == {"unified-ECAPA-T12-soft"}


def test_sizes_add_up_where_every_file_has_one():
    assert CHECKPOINTS.find("ecapa_voxceleb").megabytes == pytest.approx(83.316686)
    assert math.isnan(CHECKPOINTS.find("hubert_base").megabytes)


@ENTRIES
def test_the_message_names_what_where_from_which_licence_and_where_to(entry, tmp_path):
    with pytest.raises(MissingCheckpointError) as caught:
        entry.path(tmp_path)
    message = str(caught.value)
    files = [tmp_path / d.file if d.is_archive else tmp_path / entry.folder / d.file for d in entry.downloads]
    for part in (entry.name, entry.purpose, entry.licence, "EMOTRACE_CHECKPOINTS", *map(str, files)):
        assert part in message
    assert all(download.url in message for download in entry.downloads)


def test_files_of_several_entries_do_not_collide():
    archives = {(e.folder, e.archive.url) for e in CHECKPOINTS.values() if e.archive}
    assert len({folder for folder, _ in archives}) == len(archives) == len({url for _, url in archives})
    assert len({url.rsplit("/", 1)[1] for _, url in archives}) == len(archives)


def test_the_folder_is_given_or_in_the_environment_or_in_the_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTRACE_CHECKPOINTS", str(tmp_path / "shared"))
    assert checkpoints(tmp_path) == tmp_path
    assert checkpoints() == tmp_path / "shared"
    monkeypatch.delenv("EMOTRACE_CHECKPOINTS")
    assert checkpoints() == WORK / "checkpoints"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="ssl_sas_generator.*vpc_ser"):
        CHECKPOINTS.find("g_00100000")


def test_of_several_generators_the_last_counts(tmp_path):
    entry = CHECKPOINTS.find("ssl_sas_generator")
    folder = tmp_path / "ssl_sas/anywhere/libri_tts_clean_100_fbank_xv_ssl_freeze"
    folder.mkdir(parents=True)
    for step in (90_000, 100_000, 20_000):
        (folder / f"g_{step:08d}").touch()
    assert entry.path(tmp_path) == folder / "g_00100000"


def test_a_folder_with_a_file_too_few_is_missing(tmp_path):
    entry = CHECKPOINTS.find("hubert_base")
    (tmp_path / "hubert_base").mkdir()
    (tmp_path / "hubert_base/config.json").touch()
    with pytest.raises(MissingCheckpointError, match="pytorch_model.bin"):
        entry.path(tmp_path)
    (tmp_path / "hubert_base/pytorch_model.bin").touch()
    assert entry.path(tmp_path) == tmp_path / "hubert_base"
