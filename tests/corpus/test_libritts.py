"""LibriTTS trees, small stand-ins with the original's names and layout."""

import json

import numpy as np
import pytest
import soundfile
from stand_in import tone

from emotrace.corpus.audio import AudioError
from emotrace.corpus.datadir import CorpusError
from emotrace.corpus.importers.libritts import import_libritts
from emotrace.corpus.validate import validate

SPEAKERS = 'READER\tGENDER\tSUBSET\tNAME\n103\tF\ttrain-clean-100\tKaren "K" Savage\n26\tM\ttrain-other-500\tDenny\n'
NAMES = {
    "train-clean-100/103/1240": ("103_1240_000000_000001", "103_1240_000001_000000"),
    "train-other-500/26/495": ("26_495_000004_000000",),
}


def add_utterance(folder, name, samples=None, text="“Mrs. Lynde’s”  house, 1830?\n"):
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", tone(rate=24_000) if samples is None else samples, 24_000)
    (folder / f"{name}.normalized.txt").write_text(text)
    (folder / f"{name}.original.txt").write_text("not this one")


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "LibriTTS"
    for folder, names in NAMES.items():
        for name in names:
            add_utterance(root / folder, name)
    (root / "speakers.tsv").write_text(SPEAKERS)
    (root / "train-clean-100/103/1240/103_1240.trans.tsv").write_text("a table of the chapter")
    return root


def test_every_subset_becomes_a_data_directory_at_16_khz(tree, tmp_path):
    made = import_libritts(tree, tmp_path / "out")
    assert [data.path for data in made.data] == [tmp_path / "out/train-clean-100", tmp_path / "out/train-other-500"]
    clean = made["train-clean-100"]
    assert [u.id for u in clean] == list(NAMES["train-clean-100/103/1240"])
    first = clean.utterances[0]
    assert (first.speaker, first.gender, first.text) == ("103", "f", "“MRS. LYNDE’S” HOUSE, 1830?")
    assert made["train-other-500"].utterances[0].gender == "m"
    assert (soundfile.info(first.path).samplerate, soundfile.info(first.path).frames) == (16_000, 9_600)
    assert all(validate(data.path) == [] for data in made.data)
    summary = json.loads((tmp_path / "out/import.json").read_text())
    assert summary == {"corpus": "LibriTTS", "imported": {"train-clean-100": 2, "train-other-500": 1}}


def test_one_subset_on_request(tree, tmp_path):
    (data,) = import_libritts(tree, tmp_path / "out", subsets=["train-other-500"]).data
    assert data.path == tmp_path / "out/train-other-500"
    assert not (tmp_path / "out/train-clean-100").exists()
    with pytest.raises(CorpusError, match="holds no subset dev-clean: it has train-clean-100, train-other-500"):
        import_libritts(tree, tmp_path / "again", subsets=["dev-clean"])


def test_a_full_scale_recording_does_not_overshoot(tree, tmp_path):
    square = np.sign(np.sin(2 * np.pi * 150 * np.arange(24_000) / 24_000)) * 0.9999
    add_utterance(tree / "train-other-500/26/495", "26_495_000005_000000", square)
    made = import_libritts(tree, tmp_path / "out", subsets=["train-other-500"])
    assert np.abs(soundfile.read(made["train-other-500"].utterances[1].path)[0]).max() <= 1


CHAPTER = "train-clean-100/103/1240"
FIRST = f"{CHAPTER}/{NAMES[CHAPTER][0]}"


@pytest.mark.parametrize(
    ("apply", "reason"),
    [
        (lambda tree: (tree / "speakers.tsv").unlink(), "not a LibriTTS tree: no speakers.tsv"),
        (lambda tree: (tree / "speakers.tsv").write_text("103 | F\n"), "speakers.tsv:1: expected the header"),
        (
            lambda tree: (tree / "speakers.tsv").write_text(SPEAKERS.replace("\tF\t", "\tX\t")),
            "tsv:2: gender of reader",
        ),
        (lambda tree: (tree / "speakers.tsv").write_text("READER\tGENDER\n26\tM\n"), "'103' is not in speakers.tsv"),
        (lambda tree: (tree / f"{FIRST}.wav").unlink(), "103_1240_000000_000001.wav does not exist"),
        (lambda tree: (tree / f"{FIRST}.normalized.txt").unlink(), "transcript 103_1240_000000_000001.normalized.txt"),
        (lambda tree: (tree / f"{FIRST}.normalized.txt").write_text("--\n"), "normalized.txt: holds no word"),
        (lambda tree: add_utterance(tree / CHAPTER, "26_495_000009_000000"), "expected a name like 103_1240_"),
    ],
)
def test_a_tree_that_is_not_libritts(tree, tmp_path, apply, reason):
    apply(tree)
    with pytest.raises(CorpusError, match=reason):
        import_libritts(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_audio_is_no_tree(tmp_path):
    (tmp_path / "speakers.tsv").write_text(SPEAKERS)
    with pytest.raises(CorpusError, match="no SUBSET/SPEAKER/CHAPTER"):
        import_libritts(tmp_path, tmp_path / "out")


def test_unreadable_audio_leaves_nothing_behind(tree, tmp_path):
    (tree / f"{FIRST}.wav").write_text("no audio")
    with pytest.raises(AudioError, match="103_1240_000000_000001.wav"):
        import_libritts(tree, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["LibriTTS"]


def test_an_occupied_target_is_refused(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("precious")
    with pytest.raises(FileExistsError, match="not empty"):
        import_libritts(tree, tmp_path / "out")
    assert (tmp_path / "out/mine").read_text() == "precious"
