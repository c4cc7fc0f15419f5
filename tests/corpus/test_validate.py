"""The validator names every defect with file and line, and nothing else."""

import re
import shutil

import numpy as np
import pytest
import soundfile
from stand_in import make_corpus, tone

from emotrace.corpus.validate import flat_samples, rate_notes, validate


def replace_line(name, number, line):
    """Change line `number` (from 1) of a file; None deletes it."""

    def apply(path):
        lines = (path / name).read_text().splitlines()
        lines[number - 1 : number] = [] if line is None else line.split("\n")
        (path / name).write_text("".join(f"{line}\n" for line in lines))

    return apply


def audio(name, samples, rate=16_000, subtype="PCM_16"):
    return lambda path: soundfile.write(path / "wav" / name, samples, rate, subtype=subtype)


def remove(name):
    return lambda path: (path / name).unlink()


def cut(name):
    return lambda path: (path / name).write_bytes((path / name).read_bytes()[:9_000])


NAN = np.where(np.arange(16_000) == 700, np.nan, tone(1.0))

# Each breaks the stand-in corpus in one way: what, how, and the file:line: message expected. Lines of wav.scp, utt2spk,
# text and utt2emo: s1-ang 1, s1-hap 2, s1-neu 3, s1-sad 4, s2-ang 5, ... s4-sad 16.
DEFECTS = {
    "missing audio": (remove("wav/s1-ang.wav"), "wav.scp:1: missing audio of 's1-ang': wav/s1-ang.wav does not exist"),
    "unreadable audio": (
        lambda path: (path / "wav/s1-hap.wav").write_text("no audio"),
        "wav.scp:2: audio of 's1-hap': unreadable audio: Format not recognised",
    ),
    "cut audio": (cut("wav/s1-neu.wav"), "wav.scp:3: audio of 's1-neu': unreadable audio: the file is shorter"),
    "low rate": (
        audio("s1-sad.wav", tone(rate=7_999), 7_999),
        "wav.scp:4: audio of 's1-sad': rate of 7999 Hz: speech needs at least 8000 Hz",
    ),
    "stereo": (audio("s2-ang.wav", np.stack([tone()] * 2, 1)), "wav.scp:5: audio of 's2-ang': 2 channels (stereo)"),
    "NaN": (
        audio("s2-hap.wav", NAN, subtype="FLOAT"),
        "wav.scp:6: audio of 's2-hap': 1 NaN or infinite samples, first at 700",
    ),
    "silence": (
        audio("s2-neu.wav", np.full(16_000, 1e-4)),
        "wav.scp:7: audio of 's2-neu': silence: its peak is 0.0000",
    ),
    "too short": (audio("s2-sad.wav", tone(0.39)), "wav.scp:8: audio of 's2-sad': too short: 0.390 s"),
    "empty audio": (audio("s2-sad.wav", np.zeros(0)), "wav.scp:8: audio of 's2-sad': too short: 0.000 s"),
    "clipped": (audio("s3-ang.wav", np.clip(3 * tone(), -1, 1)), "wav.scp:9: audio of 's3-ang': clipped: "),
    "clipped below full scale": (
        audio("s3-ang.wav", np.clip(tone(), -0.3, 0.3)),
        "wav.scp:9: audio of 's3-ang': clipped: ",
    ),
    "beyond full scale": (
        audio("s3-hap.wav", tone(peak=1.2), subtype="FLOAT"),
        "wav.scp:10: audio of 's3-hap': clipped: ",
    ),
    "audio used twice": (
        replace_line("wav.scp", 12, "s3-sad wav/s3-neu.wav"),
        "wav.scp:12: audio of 's3-sad': same file as utterance 's3-neu'",
    ),
    "shell command": (
        replace_line("wav.scp", 13, "s4-ang flac -dcs wav/s4-ang.flac |"),
        "wav.scp:13: audio of 's4-ang' is a shell command",
    ),
    "duplicate id": (replace_line("utt2spk", 2, "s1-hap s1\ns1-hap s1"), "utt2spk:3: duplicate id 's1-hap'"),
    "duplicate of another speaker": (
        replace_line("utt2spk", 2, "s1-hap s1\ns1-hap s2"),
        "utt2spk:3: duplicate id 's1-hap'",
    ),
    "duplicate audio entry": (
        replace_line("wav.scp", 2, "s1-hap wav/s1-hap.wav\ns1-hap wav/x.wav"),
        "wav.scp:3: duplicate id 's1-hap'",
    ),
    "duplicate in spk2utt": (
        replace_line("spk2utt", 2, "s2 s2-ang s2-ang s2-hap s2-neu s2-sad"),
        "spk2utt:2: duplicate id 's2-ang' of speaker 's2'",
    ),
    "unsorted ids": (
        lambda path: [replace_line("text", 3 + place, f"s1-{e} ONE")(path) for place, e in enumerate(("sad", "neu"))],
        "text:4: unsorted ids: 's1-neu' stands after 's1-sad'",
    ),
    "unknown emotion": (replace_line("utt2emo", 5, "s2-ang fear"), "utt2emo:5: unknown emotion 'fear' of 's2-ang'"),
    "unknown gender": (replace_line("spk2gender", 2, "s2 x"), "spk2gender:2: unknown gender 'x' of 's2'"),
    "speaker without gender": (
        replace_line("spk2gender", 4, None),
        "utt2spk:13: speaker 's4' has no gender in spk2gender",
    ),
    "gender of nobody": (
        replace_line("spk2gender", 4, "s4 m\ns5 m"),
        "spk2gender:5: speaker 's5' has no utterance in utt2spk",
    ),
    "fold missing": (replace_line("spk2fold", 3, None), "utt2spk:9: speaker 's3' has no fold in spk2fold"),
    "trial of unknown utterance": (
        replace_line("trials", 8, "s4 s4-joy target"),
        "trials:8: trial names unknown utterance 's4-joy'",
    ),
    "trial of unknown speaker": (
        replace_line("trials", 8, "s9 s4-sad nontarget"),
        "trials:8: trial names unknown speaker 's9'",
    ),
    "unknown trial label": (
        replace_line("trials", 1, "s1 s1-sad yes"),
        "trials:1: unknown trial label 'yes'",
    ),
    "false trial label": (
        replace_line("trials", 2, "s1 s2-sad target"),
        "trials:2: trial is labelled target, but 's2-sad' is of speaker 's2'",
    ),
    "duplicate trial": (
        replace_line("trials", 1, "s1 s1-sad target\ns1 s1-sad target"),
        "trials:2: duplicate id 's1 s1-sad'",
    ),
    "trial scored against itself": (
        replace_line("trials", 1, "s1 s1-neu target"),
        "trials:1: trial utterance 's1-neu' is also an enrolment utterance",
    ),
    "enrolment of unknown utterance": (
        replace_line("enrolls", 4, "s4-neu\ns4-rain"),
        "enrolls:5: enrolment names unknown utterance 's4-rain'",
    ),
    "empty transcript": (replace_line("text", 7, "s2-neu"), "text:7: empty transcript of utterance 's2-neu'"),
    "transcript without a word": (replace_line("text", 7, "s2-neu  ... "), "text:7: empty transcript of utterance"),
    "speaker's list names another's utterance": (
        replace_line("spk2utt", 1, "s1 s1-ang s1-hap s1-neu s1-sad s2-ang"),
        "spk2utt:1: utterance 's2-ang' is listed for 's1', but utt2spk says 's2'",
    ),
    "speaker's list is short": (
        replace_line("spk2utt", 1, "s1 s1-ang s1-hap s1-neu"),
        "utt2spk:4: utterance 's1-sad' is not listed for its speaker 's1' in spk2utt",
    ),
    "speaker not in spk2utt": (replace_line("spk2utt", 4, None), "utt2spk:13: speaker 's4' is not in spk2utt"),
    "malformed line": (
        replace_line("utt2spk", 6, "s2-hap"),
        "utt2spk:6: malformed line 's2-hap': expected 'utterance speaker'",
    ),
    "too many fields": (
        replace_line("spk2gender", 1, "s1 f f"),
        "spk2gender:1: malformed line 's1 f f': expected 'speaker gender'",
    ),
    "blank line": (replace_line("utt2emo", 16, "s4-sad sad\n"), "utt2emo:17: malformed line ''"),
    "utterance without transcript": (replace_line("text", 9, None), "wav.scp:9: utterance 's3-ang' is not in text"),
    "transcript without utterance": (
        replace_line("text", 16, "s4-sad ONE\ns5-sad ONE"),
        "text:17: utterance 's5-sad' is not in wav.scp, utt2spk, utt2emo",
    ),
    "id that leaves the folder": (
        replace_line("enrolls", 1, "../s1\ns1-neu"),
        "enrolls:1: id '../s1' cannot be used as a file name",
    ),
    **{f"no {name}": (remove(name), f"{name}: file is missing") for name in ("utt2spk", "spk2utt", "spk2gender")},
    "no wav.scp": (remove("wav.scp"), "wav.scp: file is missing"),
    "file empty": (lambda path: (path / "utt2emo").write_text(""), "utt2emo: file is empty"),
    "not text": (lambda path: (path / "text").write_bytes(b"s1-ang \xff\n"), "text: is not UTF-8 text"),
    "segments": (lambda path: (path / "segments").write_text("a b 0 1\n"), "segments: segments are not supported"),
}

# Defects of one line that another file necessarily contradicts as well.
COMPANIONS = {
    "id that leaves the folder": {"enrolls:1: enrolment names unknown utterance '../s1'"},
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("validate") / "sound").path


@pytest.fixture
def broken(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "corpus")
    return tmp_path / "corpus"


def found(path, **options):
    return [str(problem).removeprefix(f"{path}/") for problem in validate(path, **options)]


def test_a_sound_directory_has_no_problem(sound):
    assert found(sound) == []


@pytest.mark.parametrize("defect", DEFECTS)
def test_one_defect_is_named_at_its_line_and_nothing_else_is(broken, defect):
    apply, expected = DEFECTS[defect]
    apply(broken)
    named = found(broken)
    assert any(message.startswith(expected) for message in named), named
    others = [message for message in named if not message.startswith(expected)]
    assert set(others) == COMPANIONS.get(defect, set())


TOGETHER = """
missing audio, unreadable audio, cut audio, low rate, stereo, NaN, silence, too short, clipped, beyond full scale,
audio used twice, shell command, unknown emotion, unknown gender, fold missing, false trial label,
trial of unknown utterance, enrolment of unknown utterance, empty transcript, speaker's list is short, malformed line,
too many fields, transcript without utterance, segments
"""


def test_all_defects_are_named_at_once(broken):
    defects = re.split(r",\s*", TOGETHER.strip())
    for defect in defects:
        DEFECTS[defect][0](broken)
    named = found(broken)
    for defect in defects:
        assert any(message.startswith(DEFECTS[defect][1]) for message in named), defect
    assert len(named) == len(defects) == 24


def test_one_file_can_have_several_problems(broken):
    audio("s1-ang.wav", np.zeros((39, 2)), 100)(broken)
    assert [message.split("': ")[1].split(":")[0].split(" (")[0] for message in found(broken)] == [
        "rate of 100 Hz",
        "2 channels",
        "too short",
        "silence",
    ]


def test_a_rate_that_is_resampled_is_a_note(tmp_path):
    path = make_corpus(tmp_path / "corpus", rate=22_050, suffix=".flac").path
    soundfile.write(path / "wav" / "s1-ang.flac", tone(rate=8_000), 8_000)
    assert found(path) == []
    assert rate_notes(path) == [
        "1 of 16 files at 8000 Hz: resampled to 16000 Hz wherever they are read",
        "15 of 16 files at 22050 Hz: resampled to 16000 Hz wherever they are read",
    ]
    assert rate_notes(make_corpus(tmp_path / "plain").path) == []


def test_a_place_that_is_no_directory(tmp_path):
    assert found(tmp_path / "nothing") == [f"{tmp_path / 'nothing'}: is not a directory"]


def test_touching_full_scale_is_not_clipping():
    loud = tone(peak=1.0)
    assert flat_samples(loud) == 0
    assert flat_samples(np.array([0.0, 0.9, 0.9, 0.0, 0.9, 0.9])) == 0
    assert flat_samples(np.array([0.0, 0.9, 0.9, 0.9, 0.0, -0.9, -0.9, -0.9, -0.9])) == 7
    assert flat_samples(np.full(100, 0.05)) == 0
