"""Plain folders in the place of data directories, and the table of labels that describes them."""

import csv
import shutil
from pathlib import Path

import pytest
import soundfile
from stand_in import make_corpus, tone

from emotrace.corpus.datadir import CorpusError
from emotrace.corpus.folders import directory_of, write_label_template

LABELS = "file,speaker,gender,emotion\nann/one.wav,ann,f,sad\nann/two.wav,ann,f,hap\nbob/one.wav,bob,m,ang\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three files of two speakers, without a table."""
    for place, name in enumerate(("ann/one", "ann/two", "bob/one")):
        file = tmp_path / "speech" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, tone(f0=150.0 + 20 * place), 16_000)
    return tmp_path / "speech"


def test_a_data_directory_stays_what_it_is(tmp_path):
    data = make_corpus(tmp_path / "data")
    assert directory_of(data.path, tmp_path / "work") == data and not (tmp_path / "work").exists()


@pytest.mark.parametrize("beside", [True, False], ids=["labels.csv", "--labels"])
def test_a_table_says_what_is_in_a_folder(folder, tmp_path, beside):
    table = folder / "labels.csv" if beside else tmp_path / "table.csv"
    table.write_text(LABELS)
    data = directory_of(folder, tmp_path / "work", labels=None if beside else table)
    assert [(u.id, u.path, str(u.emotion)) for u in data] == [
        ("ann-one", folder / "ann/one.wav", "sad"),
        ("ann-two", folder / "ann/two.wav", "hap"),
        ("bob-one", folder / "bob/one.wav", "ang"),
    ]
    assert data.path.name == "speech"  # what tables will call it


def test_another_table_or_another_file_makes_another_directory(folder, tmp_path):
    (folder / "labels.csv").write_text(LABELS)
    work = tmp_path / "work"
    first = directory_of(folder, work)
    assert directory_of(folder, work).path == first.path
    (folder / "labels.csv").write_text(LABELS.replace("sad", "neu"))
    second = directory_of(folder, work)
    shutil.copy(folder / "ann/one.wav", folder / "ann/three.wav")
    assert len({first.path, second.path, directory_of(folder, work).path}) == 3
    assert [str(each.utterances[0].emotion) for each in (first, second)] == ["sad", "neu"]


def test_files_called_as_the_utterances_of_the_recordings_need_no_table(tmp_path):
    data, copy = make_corpus(tmp_path / "data"), tmp_path / "copy" / "deep"
    shutil.copytree(tmp_path / "data" / "wav", copy)
    found = directory_of(tmp_path / "copy", tmp_path / "work", like=data)
    assert [(u.id, u.speaker, u.text, u.fold) for u in found] == [(u.id, u.speaker, u.text, u.fold) for u in data]
    assert all(u.path == copy / f"{u.id}.wav" for u in found)
    assert found.trials == data.trials and found.enrolment == data.enrolment


def test_missing_and_doubled_files_are_counted(tmp_path):
    data, copy = make_corpus(tmp_path / "data"), tmp_path / "copy"
    shutil.copytree(tmp_path / "data" / "wav", copy)
    shutil.copytree(tmp_path / "data" / "wav", copy / "again")
    with pytest.raises(CorpusError, match="16 utterances have several files, first .*again/.* and "):
        directory_of(copy, tmp_path / "work", like=data)
    shutil.rmtree(copy / "again")
    for file in sorted(copy.iterdir())[:3]:
        file.unlink()
    with pytest.raises(CorpusError, match="no audio of 3 of 16 utterances"):
        directory_of(copy, tmp_path / "work", like=data)
    assert not (tmp_path / "work").exists()


def test_what_is_no_folder_of_speech_is_one_message_that_says_what_to_do(folder, tmp_path):
    with pytest.raises(CorpusError, match=f"emotrace labels {folder}"):
        directory_of(folder, tmp_path / "work")
    with pytest.raises(CorpusError, match="no such folder"):
        directory_of(tmp_path / "nowhere", tmp_path / "work")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no audio"):
        directory_of(tmp_path / "empty", tmp_path / "work")


def test_every_problem_of_a_table_is_named_at_once(folder, tmp_path):
    (folder / "labels.csv").write_text(LABELS.replace("sad", "sleepy") + "carl/one.wav,carl,x,sad\n")
    with pytest.raises(CorpusError) as caught:
        directory_of(folder, tmp_path / "work")
    assert len(str(caught.value).splitlines()) == 2 and not (tmp_path / "work").exists()


def test_the_template_has_a_line_for_each_file_and_what_names_say(folder):
    (folder / "ann" / "one.txt").write_text("Hello,\n there\n")
    table, count = write_label_template(folder)
    assert table == folder / "labels.csv" and count == 3
    with table.open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["file", "speaker", "gender", "emotion", "text"]
    assert lines[1:] == [
        ["ann/one.wav", "ann", "", "", "Hello, there"],
        ["ann/two.wav", "ann", "", "", ""],
        ["bob/one.wav", "bob", "", "", ""],
    ]
    with pytest.raises(FileExistsError, match="is there already"):
        write_label_template(folder)


def test_the_speaker_of_a_file_in_no_subfolder_stands_before_the_first_dash(tmp_path):
    for name in ("84-121123-0001", "dora_angry"):
        soundfile.write(tmp_path / f"{name}.flac", tone(), 16_000)
    table, _ = write_label_template(tmp_path, tmp_path / "table.csv")
    assert [line.split(",")[:2] for line in table.read_text().splitlines()[1:]] == [
        ["84-121123-0001.flac", "84"],
        ["dora_angry.flac", "dora"],
    ]


def test_a_filled_in_template_is_a_table(folder, tmp_path):
    table, _ = write_label_template(folder)
    filled = [line.replace(",,,", f",{'m' if 'bob' in line else 'f'},sad,") for line in table.read_text().splitlines()]
    table.write_text("\n".join(filled))
    assert [u.speaker for u in directory_of(folder, tmp_path / "work")] == ["ann", "ann", "bob"]
