"""A folder of audio and a table of labels become a data directory; what is wrong with either is one message."""

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import run, snapshot
from stand_in import SPEAKERS, tone

from emotrace.corpus.datadir import DataDir, Emotion
from emotrace.corpus.importers.wavs import import_wavs, read_labels
from emotrace.corpus.protocol import folds_by_speaker, verification
from emotrace.corpus.validate import rate_notes, validate
from emotrace.pipeline.measures import Measure
from emotrace.study.verbs import possible_measures

HEADER = "file,speaker,gender,emotion,text"
NAMES = [f"{speaker}/{emotion} one.wav" for speaker in SPEAKERS for emotion in Emotion]
LINES = [f"{name},{name[:2]},{SPEAKERS[name[:2]]},{name[3:6]},one two" for name in NAMES]


def make_folder(folder: Path, *, suffix: str = ".wav", rate: int = 16_000) -> Path:
    """The audio of LINES: four speakers with four utterances each, in subfolders, names with spaces."""
    for place, name in enumerate(NAMES):
        file = (folder / name).with_suffix(suffix)
        file.parent.mkdir(parents=True, exist_ok=True)
        samples = np.rint(tone(rate=rate, f0=110.0 + 5 * place) * 32767).astype(np.int16)
        soundfile.write(file, samples, rate, format=suffix[1:].upper())
    return folder


def write_labels(file: Path, lines: list[str] = LINES, header: str = HEADER, encoding: str = "utf-8") -> Path:
    file.write_text("\n".join([header, *lines]) + "\n", encoding=encoding)
    return file


@pytest.fixture
def folder(tmp_path) -> Path:
    made = make_folder(tmp_path / "my wavs")
    write_labels(made / "labels.csv")
    return made


def imported(source: Path, target: Path, labels: Path | None = None) -> tuple[DataDir, list[str]]:
    """The data directory that was made, and the remarks."""
    made = import_wavs(source, target, labels=labels)
    (data,) = made.data
    return data, list(made.remarks)


def test_every_label_reaches_the_data_directory(folder, tmp_path):
    data, remarks = imported(folder, tmp_path / "data")
    assert validate(data.path) == [] and len(data) == 16 and data.speakers == tuple(SPEAKERS)
    utterance = data["s2-hap_one"]
    assert (utterance.speaker, utterance.gender, utterance.emotion) == ("s2", "f", Emotion.HAPPY)
    assert utterance.text == "one two" and utterance.path == folder / "s2" / "hap one.wav"
    assert remarks == ["audio stays in " + f"{folder}; the data directory refers to it", "2 folds made, by speaker",
                       "24 trials made"]  # fmt: skip
    assert json.loads((data.path / "import.json").read_text())["remarks"] == remarks


def test_the_defaults_are_folds_of_both_genders_and_neutral_enrolment(folder, tmp_path):
    data, _ = imported(folder, tmp_path / "data")
    members = {(u.fold, u.speaker, u.gender) for u in data}
    assert sorted((fold, gender) for fold, _, gender in members) == [("1", "f"), ("1", "m"), ("2", "f"), ("2", "m")]
    assert data.enrolment == tuple(f"{speaker}-neu_one" for speaker in SPEAKERS)
    # Of each gender two speakers are claimed for the six utterances that are not enrolled; half of the claims are true.
    assert len(data.trials) == 24 and sum(trial.target for trial in data.trials) == 12
    assert not {trial.utterance for trial in data.trials} & set(data.enrolment)
    assert all(SPEAKERS[trial.speaker] == data[trial.utterance].gender for trial in data.trials)


def test_one_table_serves_two_folders_of_the_same_names(folder, tmp_path):
    """The second folder has FLAC with capital suffixes at another rate; ids and lists are the same."""
    other = make_folder(tmp_path / "anonymised", suffix=".FLAC", rate=22_050)
    first, _ = imported(folder, tmp_path / "first")
    second, _ = imported(other, tmp_path / "second", folder / "labels.csv")
    assert [u.id for u in first] == [u.id for u in second] and first.trials == second.trials
    assert (first.enrolment, [u.fold for u in first]) == (second.enrolment, [u.fold for u in second])
    assert {u.path.suffix for u in second} == {".FLAC"} and validate(second.path) == []
    assert rate_notes(second.path) == ["16 of 16 files at 22050 Hz: resampled to 16000 Hz wherever they are read"]
    code, lines = run("validate", second.path)
    assert code == 0 and lines[0].startswith("note: 16 of 16 files at 22050 Hz")


def test_the_table_may_be_a_spreadsheets(folder, tmp_path):
    """Byte order mark, semicolons, capital names, long words, a column of one's own, a text with a line of its own."""
    (folder / "s4" / "notes.wav").write_bytes((folder / "s4" / "sad one.wav").read_bytes())
    words = {"sad": "SAD", "neu": "Neutral", "ang": "angry", "hap": "happy"}
    genders = {"f": "Female", "m": "M"}
    lines = [
        f'{name[3:6]} take;{words[name[3:6]]};{name[:2]};{genders[SPEAKERS[name[:2]]]};{name[:-4]};"one; ""two""";;'
        for name in NAMES
    ]
    labels = write_labels(tmp_path / "l.csv", lines, "Take;Emotion;Speaker;Gender;FILE;Text;Fold;", "utf-8-sig")
    data, remarks = imported(folder, tmp_path / "data", labels)
    expected, _ = imported(folder, tmp_path / "expected")
    assert [(u.id, u.gender, u.emotion, u.fold) for u in data] == [
        (u.id, u.gender, u.emotion, u.fold) for u in expected
    ]
    assert data["s1-ang_one"].text == 'one; "two"'
    assert "columns left alone: take" in remarks and f"audio files that {labels} does not name: 1, left out" in remarks


def test_accents_are_the_same_however_they_are_written(tmp_path):
    written, listed = (unicodedata.normalize(form, "é.wav") for form in ("NFD", "NFC"))
    (tmp_path / "wavs").mkdir()
    soundfile.write(tmp_path / "wavs" / written, tone(), 16_000)
    write_labels(tmp_path / "wavs" / "labels.csv", [f"{listed},s1,f"], "file,speaker,gender")
    data, remarks = imported(tmp_path / "wavs", tmp_path / "data")
    assert [u.id for u in data] == [unicodedata.normalize("NFC", "s1-é")] and data.trials == ()
    assert remarks[1:] == [
        "no column emotion: no recognition of emotion",
        "no column text: no word error rate",
        "0 trials made",
        "no trials of gender f: they need two speakers with two utterances or more",
    ]


def test_own_folds_are_kept(folder, tmp_path):
    lines = [f"{line},{'b' if line[1] in '13' else 'a'}" for line in LINES]
    data, remarks = imported(folder, tmp_path / "data", write_labels(tmp_path / "l.csv", lines, HEADER + ",fold"))
    assert {(u.speaker, u.fold) for u in data} == {("s1", "b"), ("s2", "a"), ("s3", "b"), ("s4", "a")}
    assert not any("folds made" in remark for remark in remarks)


@pytest.mark.parametrize(
    ("women", "men", "folds"),
    [
        (4, 4, ["fm"] * 4),
        (12, 12, ["fffmm", "fffmm", "ffmmm", "ffmmm", "ffmm"]),
        (2, 3, ["fmm", "fm"]),
        (1, 3, ["fm", "m", "m"]),
        (1, 1, ["f", "m"]),
        (0, 7, ["mm", "mm", "m", "m", "m"]),
        (0, 1, []),
    ],
)
def test_folds_are_of_whole_speakers_and_both_genders_where_possible(women, men, folds):
    genders = {f"{gender}{number:02}": gender for gender, n in (("f", women), ("m", men)) for number in range(n)}
    made = folds_by_speaker(genders)
    names = sorted(set(made.values()))
    assert ["".join(genders[s] for s in sorted(made) if made[s] == name) for name in names] == folds


def test_a_quarter_of_a_speakers_utterances_is_enrolled(folder, tmp_path):
    data, _ = imported(folder, tmp_path / "data")
    again = [type(u)(f"{u.id}{n}", u.speaker, u.gender, u.path, None, u.emotion) for u in data for n in (1, 2, 3)]
    enrolment, trials = verification(again)
    # 12 utterances a speaker, 3 of them neutral: just these
    assert enrolment == sorted(f"{speaker}-neu_one{n}" for speaker in SPEAKERS for n in (1, 2, 3))
    assert len(trials) == 2 * 2 * 18
    single = [u for u in again if u.speaker != "s1" or u.id == "s1-sad_one1"]
    enrolment, trials = verification(single)
    assert {trial.speaker for trial in trials} == {"s3", "s4"} and len(enrolment) == 6


def test_one_emotion_alone_is_not_recognised_but_the_rest_is_measured(folder, tmp_path):
    lines = [re.sub("(sad|ang|hap),one", "neu,one", line) for line in LINES]
    data, _ = imported(folder, tmp_path / "data", write_labels(tmp_path / "l.csv", lines))
    possible, notes = possible_measures(data, data, training=False)
    assert possible == set(Measure) - {Measure.EMOTION}
    assert notes == ("no emotion recognition: one emotion only, so give --train DIR",)
    assert Measure.EMOTION in possible_measures(data, data, training=True)[0]


def change(number: int, line: str):
    """Put another line in the place of a line of the table, counted from 1, the heading."""

    def apply(folder: Path) -> None:
        lines = (folder / "labels.csv").read_text().splitlines()
        lines[number - 1 : number] = line.split("\n")
        (folder / "labels.csv").write_text("\n".join(lines) + "\n")

    return apply


def sound(samples: np.ndarray):
    return lambda folder: soundfile.write(folder / "s1" / "neu one.wav", samples, 16_000)


def twin(folder: Path) -> None:
    """Another file of the same name and another suffix, where the table gives none."""
    soundfile.write(folder / "s1" / "neu one.flac", tone(), 16_000)
    change(3, "s1/neu one,s1,f,neu,one two")(folder)


def no_audio(folder: Path) -> None:
    for file in folder.rglob("*.wav"):
        file.unlink()


# What is changed in the folder or its labels.csv; what the one line says, which begins with the file of the table.
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing file": (
        lambda folder: (folder / "s1" / "neu one.wav").unlink(),
        ":3: no audio 's1/neu one.wav' in the folder: put the file there or delete the line",
    ),
    "unknown emotion": (
        change(3, "s1/neu one.wav,s1,f,fear,one two"),
        ":3: unknown emotion 'fear': expected one of sad, neu, ang, hap, neutral, angry, happy; or delete the line",
    ),
    "unknown gender": (change(3, "s1/neu one.wav,s1,x,neu,a"), ":3: unknown gender 'x': expected one of f, female, m"),
    "no emotion in one line": (
        change(3, "s1/neu one.wav,s1,f,,one two"),
        ":3: no emotion: fill it in, delete the line, or empty the column 'emotion'",
    ),
    "no speaker": (change(3, "s1/neu one.wav,,f,neu,one two"), ":3: no speaker: fill it in"),
    "no words in a text": (change(3, "s1/neu one.wav,s1,f,neu,..."), ":3: empty transcript '...': write what is said"),
    "text with a comma": (
        change(3, "s1/neu one.wav,s1,f,neu,one, two"),
        ":3: more cells than the 5 columns: put a text that holds the separator between quotation marks",
    ),
    "open quotation mark": (change(16, 's4/ang one.wav,s4,m,ang,"one'), ": mend the quotation marks"),
    "duplicate line": (
        change(3, LINES[0]),
        ":3: 's1/sad one.wav' stands in line 2 already: delete one",
    ),
    "duplicate utterance": (
        lambda folder: (
            (folder / "s1" / "sad one.wav").rename(folder / "s1" / "neu_one.wav"),
            change(2, "s1/neu_one.wav,s1,f,neu,one two")(folder),
        ),
        ":3: 's1/neu one.wav' and 's1/neu_one.wav' of line 2 would both be utterance 's1-neu_one': rename one",
    ),
    "two files for a name": (twin, ":3: 's1/neu one' may be s1/neu one.flac or s1/neu one.wav: remove one of them"),
    "two genders of a speaker": (
        change(3, "s1/neu one.wav,s1,m,neu,one two"),
        ":3: speaker 's1' has gender m, but f in line 2: give one",
    ),
    "speaker of two words": (
        change(3, "s1/neu one.wav,s 1,f,neu,one two"),
        ":3: speaker 's 1' holds a space or a slash: write it as one word",
    ),
    "missing column": (
        change(1, "file,speaker,sex,emotion,text"),
        ":1: no column 'gender': the first line has to name file, speaker, gender and, where known",
    ),
    "column twice": (change(1, "file,speaker,gender,text,text"), ":1: two columns 'text': keep one"),
    "a path out of the folder": (
        change(3, "../neu one.wav,s1,f,neu,one two"),
        ":3: '../neu one.wav' leaves the folder: name files relative to it",
    ),
    "an absolute path": (change(3, "/tmp/a.wav,s1,f,neu,one two"), ":3: '/tmp/a.wav' leaves the folder"),
    "no lines": (lambda folder: (folder / "labels.csv").write_text(HEADER + "\n"), ": names no audio: write one line"),
    "empty table": (lambda folder: (folder / "labels.csv").write_text("\n"), ": is empty: write a line with file"),
    "no table": (
        lambda folder: (folder / "labels.csv").unlink(),
        ": no such file: write a table of labels, or name it",
    ),
    "table that is no text": (
        lambda folder: (folder / "labels.csv").write_bytes(b"file\xff"),
        ": is not UTF-8 text (byte 4): save it as CSV UTF-8",
    ),
    "silence": (sound(np.zeros(16_000)), "silence: every sample is 0: replace it or delete the line"),
    "too short": (sound(tone(0.2)), "too short: 0.200 s, expected at least 0.4 s: replace it or delete the line"),
    "unreadable": (
        lambda folder: (folder / "s1" / "neu one.wav").write_text("no audio"),
        "unreadable audio: Format not recognised: replace it or delete the line",
    ),
}
AUDIO = ("silence", "too short", "unreadable")  # these name the audio as well


@pytest.mark.parametrize("bad", BAD)
def test_what_is_wrong_is_one_line_and_leaves_nothing(folder, tmp_path, bad):
    apply, expected = BAD[bad]
    apply(folder)
    before = snapshot(tmp_path)
    code, lines = run("import", "wavs", folder, tmp_path / "out")
    assert code == 2 and len(lines) == 1, lines
    assert lines[0].startswith(f"emotrace: {folder}/labels.csv:") and expected in lines[0], lines[0]
    if bad in AUDIO:
        assert f"labels.csv:3: {folder}/s1/neu one.wav: " in lines[0]
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("apply", "expected"),
    [
        (no_audio, "my wavs: holds no audio: give the folder with the WAV or FLAC files"),
        (lambda folder: folder.rename(folder.with_name("away")), "my wavs: no such folder: give the folder that holds"),
        (lambda folder: (folder.parent / "out" / "mine").mkdir(parents=True), "out already exists and is not empty"),
    ],
)
def test_a_folder_that_cannot_be_used(folder, tmp_path, apply, expected):
    apply(folder)
    code, lines = run("import", "wavs", folder, tmp_path / "out")
    assert code == 2 and expected in lines[-1] and lines[-1].startswith("emotrace: ")


def test_all_problems_are_named_at_once_in_the_order_of_the_table(folder, tmp_path):
    """Cells, contradictions, names, repetitions and audio together, each by its line."""
    change(2, "s1/sad one.wav,s1,x,joy,one two")(folder)
    change(3, "s1/neu one.wav,s1")(folder)
    sound(np.zeros(16_000))(folder)
    change(5, "s1/hap one.wav,s1,f,hap,one two\ns2/gone.wav,s1,m,hap,one two")(folder)
    change(7, "s1/hap one.wav,s2,f,hap,one two")(folder)
    soundfile.write(folder / "s2" / "neu one.wav", tone(rate=100), 100)
    before = snapshot(tmp_path)
    code, lines = run("import", "wavs", folder, tmp_path / "out")
    assert code == 2 and snapshot(tmp_path) == before
    named = [line.split("labels.csv:")[1] for line in lines if "labels.csv:" in line]
    expected = [
        "2: unknown gender 'x'",
        "2: unknown emotion 'joy'",
        "3: no gender",
        "3: no emotion",
        "3: no text",
        "6: speaker 's1' has gender m, but f in line 4",
        "6: no audio 's2/gone.wav'",
        "7: 's1/hap one.wav' stands in line 5 already",
        f"8: {folder}/s2/neu one.wav: rate of 100 Hz: speech needs at least 8000 Hz",
    ]
    assert len(named) == len(expected), named
    for line, words in zip(named, expected, strict=True):
        assert line.startswith(words), (line, words)


def test_every_fault_of_the_heading_is_named(folder, tmp_path):
    change(1, "file,speaker,speaker,emotion,text")(folder)
    code, lines = run("import", "wavs", folder, tmp_path / "out")
    assert code == 2
    assert [line.split(":1: ")[1].split(":")[0] for line in lines] == ["two columns 'speaker'", "no column 'gender'"]


def test_audio_that_moved_away_is_named_when_it_is_used(folder, tmp_path):
    data, _ = imported(folder, tmp_path / "data")
    folder.rename(tmp_path / "moved")
    code, lines = run("validate", data.path)
    assert code == 1 and f"wav.scp:1: missing audio of 's1-ang_one': {folder}/s1/ang one.wav does not exist" in lines[0]


def test_labels_know_what_the_table_says(folder):
    labels = read_labels(folder / "labels.csv")
    assert labels.known == ("emotion", "text") and labels.unused == ()
    assert list(labels.lines) == list(range(2, 18))
    assert DataDir.read(imported(folder, folder.parent / "data")[0].path).enrolment != ()
