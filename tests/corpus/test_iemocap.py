"""IEMOCAP's full release in miniature: the real layout and label files, annotators who disagree included."""

import json
import wave
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from mini_iemocap import TITLE, TURNS, make_release

from emotrace.corpus.datadir import CorpusError, DataDir, Emotion
from emotrace.corpus.importers import iemocap
from emotrace.corpus.importers.iemocap import import_iemocap, read_emo_evaluation
from emotrace.corpus.validate import validate


def imported(release, target, **options):
    """The data directory, and the report: import.json with the remarks as its `lines`."""
    made = import_iemocap(release, target, **options)
    (data,) = made.data
    return data, SimpleNamespace(lines=made.remarks, **json.loads((target / "import.json").read_text()))


@pytest.fixture
def release(tmp_path):
    return make_release(tmp_path / "IEMOCAP_full_release")


def test_four_classes_with_excitement_as_happiness(release, tmp_path):
    data, report = imported(release, tmp_path / "out")
    assert {u.id: u.emotion for u in data} == {
        "Ses01F_impro01_F000": Emotion.NEUTRAL,
        "Ses01F_impro01_F002": Emotion.HAPPY,
        "Ses01F_impro01_M000": Emotion.ANGRY,
        "Ses01M_script01_1_F000": Emotion.SAD,
        "Ses01M_script01_1_M000": Emotion.HAPPY,
        "Ses03F_script02_2b_F000": Emotion.SAD,
        "Ses03F_script02_2b_M005": Emotion.NEUTRAL,
    }
    assert report.imported == {"sad": 2, "neu": 2, "ang": 1, "hap": 2} and report.excited == 1
    assert report.left_out == {"fru": 1, "oth": 1, "xxx": 1} and report.turns == 10
    assert sum(report.imported.values()) + sum(report.left_out.values()) == report.turns
    assert validate(data.path) == [] and DataDir.read(tmp_path / "out") == data


def test_the_speaker_is_the_last_letter_and_the_fold_is_the_session(release, tmp_path):
    data, _ = imported(release, tmp_path / "out")
    assert {(u.speaker, u.gender, u.fold) for u in data} == {
        ("Ses01F", "f", "1"),
        ("Ses01M", "m", "1"),
        ("Ses03F", "f", "3"),
        ("Ses03M", "m", "3"),
    }
    # The dialogue's own letter names whose motion was captured: F in one dialogue and M in the other.
    assert data["Ses01M_script01_1_F000"].speaker == data["Ses01F_impro01_F000"].speaker == "Ses01F"


def test_happiness_alone_on_request_and_which_one_is_written_down(release, tmp_path):
    _, report = imported(release, tmp_path / "out", excited=False)
    assert report.imported["hap"] == 1 and report.left_out["exc"] == 1 and report.excited == 0
    written = json.loads((tmp_path / "out/import.json").read_text())
    assert written["happy"] == "happiness" and written["left_out"] == report.left_out
    imported(release, tmp_path / "merged", excited=True)
    merged = json.loads((tmp_path / "merged/import.json").read_text())
    assert merged["happy"] == "happiness and excitement" and "SpeechBrain's IEMOCAP recipe" in merged["source"]
    assert "hap is happiness (0 excited)" in "\n".join(report.lines)


def test_transcripts_lose_their_events_unless_nothing_else_was_uttered(release, tmp_path):
    data, report = imported(release, tmp_path / "out")
    assert data["Ses01F_impro01_F002"].text == "THAT'S GREAT!"
    assert data["Ses01M_script01_1_M000"].text == "LAUGHTER" and report.without_words == 1


def test_samples_survive_bit_for_bit(release, tmp_path):
    data, _ = imported(release, tmp_path / "out")
    with wave.open(str(release / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav")) as original:
        pcm = np.frombuffer(original.readframes(original.getnframes()), dtype="<i2")
    np.testing.assert_array_equal(soundfile.read(data["Ses01F_impro01_M000"].path, dtype="int16")[0], pcm)


def test_the_majority_is_the_evaluators_and_not_the_actors(release):
    turns = read_emo_evaluation(release / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt")
    assert [turn.label for turn in turns] == ["neu", "ang", "xxx", "fru", "exc"]
    assert [turn.majority for turn in turns] == ["neu", "ang", "xxx", "fru", "exc"]
    assert turns[1].votes == (("ang",), ("ang", "fru"), ("fru", "ang"))
    level = read_emo_evaluation(release / "Session1/dialog/EmoEvaluation/Ses01M_script01_1.txt")[1]
    assert level.label == "hap" and level.majority == "xxx"  # two votes each for happiness and excitement


def test_recounting_reports_the_turns_whose_header_differs_and_keeps_their_labels(release, tmp_path):
    data, report = imported(release, tmp_path / "out", check_majority=True)
    assert report.inconsistent == ["Ses01M_script01_1_M000: hap, xxx", "Ses03F_script02_2b_M005: neu, xxx"]
    assert data["Ses03F_script02_2b_M005"].emotion is Emotion.NEUTRAL
    assert "label is not the majority: 2 turns" in report.lines
    assert imported(release, tmp_path / "unchecked")[1].inconsistent is None


def test_known_totals_are_checked_where_all_five_sessions_are(tmp_path, monkeypatch):
    one = {"F000": TURNS["Ses01F_impro01"]["F000"], "M000": TURNS["Ses01F_impro01"]["M000"]}
    whole = make_release(tmp_path / "whole", {f"Ses0{session}F_impro01": one for session in "12345"})
    _, report = imported(whole, tmp_path / "out")
    assert report.warnings == [
        "all five sessions are there, but not with the known totals: sad 0 instead of 1084, neu 5 instead of 1708, "
        "ang 5 instead of 1103, hap 0 instead of 595, exc 0 instead of 1041",
    ]
    assert f"warning: {report.warnings[0]}" in report.lines
    monkeypatch.setattr(iemocap, "KNOWN_TOTALS", {"sad": 0, "neu": 5, "ang": 5, "hap": 0, "exc": 0})
    assert imported(whole, tmp_path / "again")[1].warnings == []


def test_the_known_totals_are_the_ones_in_use():
    totals = iemocap.KNOWN_TOTALS
    assert totals["hap"] + totals["exc"] == 1636 and sum(totals.values()) == 5531


def test_fewer_sessions_are_no_reason_for_a_warning(release, tmp_path):
    assert imported(release, tmp_path / "out")[1].warnings == []


LABELS = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"


def edit(name, old, new):
    def apply(root):
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return apply


def no_labels(root):
    for file in (root / "Session3/dialog/EmoEvaluation").glob("*.txt"):
        file.unlink()


@pytest.mark.parametrize(
    ("apply", "reason"),
    [
        (no_labels, r"Session3/dialog/EmoEvaluation: no label files DIALOG.txt: unpack the full release"),
        (
            edit(LABELS, "\tneu\t", "\tcalm\t"),
            r"Ses01F_impro01.txt:3: unknown emotion label 'calm' of 'Ses01F_impro01_F000'",
        ),
        (edit(LABELS, "[0.2901 - 0.9357]", "[0.2901"), r"Ses01F_impro01.txt:3: expected '\[start - end\] TURN"),
        (
            edit(LABELS, "Ses01F_impro01_M000", "Ses01F_impro02_M000"),
            r"turn 'Ses01F_impro02_M000' is not named Ses01F_",
        ),
        (edit(LABELS, "Ses01F_impro01_M000", "Ses01F_impro01_X000"), r"turn 'Ses01F_impro01_X000' is not named"),
        (edit(LABELS, "impro01_M000", "impro01_F000"), r"txt:11: turn 'Ses01F_impro01_F000' stands there twice"),
        (lambda root: (root / LABELS).write_text(TITLE), r"Ses01F_impro01.txt: holds no turn"),
        (lambda root: (root / LABELS).write_bytes(b"\xff\xfe["), r"Ses01F_impro01.txt: is not text"),
        (
            lambda root: (root / LABELS).rename(root / "Session3/dialog/EmoEvaluation/Ses01F_impro01.txt"),
            r"Ses01F_impro01.txt: belongs to another session than Session3",
        ),
        (
            lambda root: (root / "Session1/dialog/transcriptions/Ses01F_impro01.txt").unlink(),
            r"transcriptions/Ses01F_impro01.txt: does not exist",
        ),
        (
            edit("Session1/dialog/transcriptions/Ses01F_impro01.txt", "_M000 [", "_M009 ["),
            r"has no transcript of 'Ses01F_impro01_M000'",
        ),
        (
            lambda root: (root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav").unlink(),
            r"Ses01F_impro01.txt:3: audio .*Ses01F_impro01_F000.wav does not exist",
        ),
    ],
)
def test_a_release_that_is_not_whole_stops_the_import(release, tmp_path, apply, reason):
    apply(release)
    with pytest.raises(CorpusError, match=reason):
        import_iemocap(release, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_folder_is_no_release(tmp_path):
    with pytest.raises(
        CorpusError, match="not the full release of IEMOCAP: no Session1; give the folder that holds it"
    ):
        import_iemocap(tmp_path, tmp_path / "out")
