"""What a builder may get wrong: one clear message each, all problems of a table at once, and nothing half-written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import run, snapshot
from stand_in import tone

RATE = 16_000
HEADING = "file,speaker,gender,emotion,text\n"


@pytest.fixture
def speech(tmp_path, tmp_path_factory, monkeypatch) -> Path:
    """Folders recordings and mine with four utterances of two speakers, and labels.csv beside the recordings."""
    monkeypatch.setattr("emotrace.study.verbs.WORK", tmp_path_factory.mktemp("work"))
    lines = [HEADING.strip()]
    for number, speaker in enumerate(("ann", "bea")):
        for place, emotion in enumerate(("sad", "hap")):
            name = f"{speaker}/{emotion}.wav"
            for folder in ("recordings", "mine"):
                (tmp_path / folder / speaker).mkdir(parents=True, exist_ok=True)
                soundfile.write(tmp_path / folder / name, tone(f0=150.0 + 20 * number + 7 * place), RATE)
            lines.append(f"{name},{speaker},f,{emotion},ONE TWO")
    (tmp_path / "recordings" / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def labels(*lines: str) -> Callable[[Path], None]:
    """Other lines of the table."""
    return lambda root: (root / "recordings" / "labels.csv").write_text(HEADING + "\n".join(lines) + "\n")


def audio(folder: str, wave: np.ndarray) -> Callable[[Path], None]:
    """Another first utterance."""
    return lambda root: soundfile.write(root / folder / "ann" / "sad.wav", wave, RATE, subtype="FLOAT")


def remove(*names: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for name in names:
            place = root / name
            shutil.rmtree(place) if place.is_dir() else place.unlink()

    return change


def write(name: str, content: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)

    return change


def nothing(root: Path) -> None:
    """The speech as it is."""


def copied(*names: str) -> Callable[[Path], None]:
    """Copies of the anonymised folder."""
    return lambda root: [shutil.copytree(root / "mine", root / name) for name in names]


MINE = ("evaluate", "recordings", "mine")
SILENCE, SHORT, BROKEN = np.zeros(RATE), tone(0.2), np.full(RATE, np.nan)
CASES = {
    "no recordings": (nothing, ("evaluate", "nowhere", "mine"), ["nowhere: no such folder"]),
    "no copy": (nothing, ("evaluate", "recordings", "nowhere"), ["nowhere: no such folder"]),
    "a file for a folder": (write("speech.wav", ""), ("evaluate", "recordings", "speech.wav"), ["no such folder"]),
    "an empty copy": (remove("mine/ann", "mine/bea"), MINE, ["mine: holds no audio"]),
    "no table": (remove("recordings/labels.csv"), MINE, ["emotrace labels"]),
    "no such table": (nothing, (*MINE, "--labels", "other.csv"), ["other.csv"]),
    "an empty table": (write("recordings/labels.csv", ""), MINE, ["is empty"]),
    "no columns": (write("recordings/labels.csv", "a,b\n1,2\n"), MINE, ["no column 'file'", "'speaker'", "'gender'"]),
    "a table of no lines": (labels(), MINE, ["names no audio"]),
    "not UTF-8": (lambda root: (root / "recordings/labels.csv").write_bytes(b"file\xff"), MINE, ["UTF-8"]),
    "three problems": (
        labels("ann/sad.wav,ann,x,sad,ONE", "ann/hap.wav,ann,f,merry,ONE", "ann/no.wav,ann,f,sad,ONE"),
        MINE,
        ["labels.csv:2: unknown gender 'x'", "labels.csv:3: unknown emotion 'merry'", "labels.csv:4: no audio"],
    ),
    "an empty cell": (labels("ann/sad.wav,,f,sad,ONE"), MINE, ["no speaker"]),
    "a file twice": (labels(*2 * ["ann/sad.wav,ann,f,sad,ONE"]), MINE, ["stands in line 2 already"]),
    "two genders": (
        labels("ann/sad.wav,ann,f,sad,ONE", "ann/hap.wav,ann,m,hap,ONE"),
        MINE,
        ["speaker 'ann' has gender m, but f in line 2"],
    ),
    "a path that leaves": (labels("../mine/ann/sad.wav,ann,f,sad,ONE"), MINE, ["leaves the folder"]),
    "files that are missing": (remove("mine/ann/sad.wav", "mine/bea/hap.wav"), MINE, ["labels.csv:2", "labels.csv:5"]),
    "silence": (audio("mine", SILENCE), MINE, ["silence: every sample is 0"]),
    "too short": (audio("mine", SHORT), MINE, ["0.4"]),
    "NaN": (audio("mine", BROKEN), MINE, ["NaN"]),
    "no audio": (write("mine/ann/sad.wav", "RIFF no more"), MINE, ["sad.wav"]),
    "other utterances": (
        copied("other"),
        ("evaluate", "recordings", "mine", "--enrolment", "nowhere"),
        ["nowhere: no such folder"],
    ),
    "two enrolments": (copied("other"), (*MINE, "other", "--enrolment", "mine"), ["one by one"]),
    "the same name": (nothing, (*MINE, "mine"), ["of the same name"]),
    "two systems for VoicePrivacy": (copied("other"), (*MINE, "other", "--vpc", "out"), ["one by one"]),
    "an unknown recogniser of words": (nothing, (*MINE, "--asr", "ear"), ["unknown speech recogniser 'ear'"]),
    "an unknown recogniser of emotion": (nothing, (*MINE, "--ser", "ge2e,heart"), ["'heart'"]),
    "an unknown predictor": (nothing, (*MINE, "--naturalness", "taste"), ["'taste'"]),
    "a report in a file's place": (write("taken", ""), (*MINE, "--report", "taken/report.html"), ["taken"]),
    "results in a file's place": (write("taken", ""), (*MINE, "--out", "taken"), ["taken"]),
    "a report that is a folder": (nothing, (*MINE, "--report", "mine"), ["mine"]),
    "labels of nothing": (nothing, ("labels", "nowhere"), ["nowhere: no such folder"]),
    "labels that are there": (nothing, ("labels", "recordings"), ["is there already"]),
    "labels in a file's place": (write("taken", ""), ("labels", "mine", "--out", "taken/l.csv"), ["taken"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_message_and_leaves_nothing(case, speech, monkeypatch):
    change, arguments, messages = CASES[case]
    change(speech)
    monkeypatch.chdir(speech)
    before = snapshot(speech)
    code, lines = run(*arguments)
    text = "\n".join(lines)
    assert code == 2 and "Traceback" not in text
    assert all(message in text for message in messages), text
    assert len(lines) <= max(len(messages), 1) + ("Usage" in text) * 5
    assert snapshot(speech) == before
