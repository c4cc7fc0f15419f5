"""VoicePrivacy's data directories: the real lists, the layout of one set, and what its evaluation gets wrong."""

import shutil
from pathlib import Path

import pytest
from speech import VPC_LISTS, needs_vpc_lists
from stand_in import make_corpus
from vpc_layout import lay_out

from emotrace.corpus.datadir import CorpusError, DataDir, Trial, Utterance, write_datadir
from emotrace.corpus.importers.vpc import join_vpc, read_vpc, refuse_vpc_suffix

SET = "mini_test"
NAMES = {"enrolls": f"{SET}_enrolls", "f": f"{SET}_trials_f", "m": f"{SET}_trials_m"}


@needs_vpc_lists
@pytest.mark.parametrize(("gender", "trials", "targets", "enrolled"), [("f", 11_744, 548, 16), ("m", 9_906, 449, 13)])
def test_the_real_lists(gender, trials, targets, enrolled):
    data = read_vpc(VPC_LISTS, require_audio=False)[gender]
    assert (len(data.trials), sum(trial.target for trial in data.trials)) == (trials, targets)
    assert {utterance.gender for utterance in data} == {gender}
    assert len({data[key].speaker for key in data.enrolment}) == enrolled
    # Every enrolled speaker is tried against every trial utterance.
    tested = {trial.utterance for trial in data.trials}
    assert len(tested) * enrolled == trials and not tested & set(data.enrolment)
    assert len(data) == len(tested) + len(data.enrolment)


@pytest.fixture
def corpus(tmp_path) -> DataDir:
    """Four speakers, their "neu" enrolled, their "sad" and "ang" tried within their gender."""
    made = make_corpus(tmp_path / "corpus")
    used = [u for u in made if u.id.endswith(("neu", "sad", "ang"))]
    plain = [Utterance(u.id, u.speaker, u.gender, u.path, u.text) for u in used]
    tried = [u for u in plain if not u.id.endswith("neu")]
    trials = [Trial(s.speaker, u.id, s.speaker == u.speaker) for s in plain if s.id.endswith("neu") for u in tried]
    gender = {u.speaker: u.gender for u in plain}
    same = [trial for trial in trials if gender[trial.speaker] == gender[trial.utterance.split("-")[0]]]
    enrolment = [u.id for u in plain if u.id.endswith("neu")]
    return write_datadir(tmp_path / "whole", plain, enrolment=enrolment, trials=same)


@pytest.fixture
def folder(corpus, tmp_path) -> Path:
    """A VoicePrivacy data folder, with a file that only VoicePrivacy knows."""
    lay_out(corpus, tmp_path / "data", SET)
    for name in NAMES.values():
        (tmp_path / "data" / name / "utt2dur").write_text("kept as it is \n")
    return tmp_path / "data"


def test_the_parts_are_joined(corpus, folder, tmp_path):
    read = read_vpc(folder, SET)
    assert set(read) == {"f", "m"} and len(read["f"]) == 6 and len(read["f"].trials) == 8
    again = join_vpc(read, tmp_path / "again")
    assert again.content_hash() == corpus.content_hash()


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        ("", "an empty suffix would replace the originals"),
        ("_asrbn", "'_asrbn' contains 'asr', which VoicePrivacy's evaluation skips"),
        ("_ASR", "contains 'asr'"),
        ("_test", "is part of the original's name, so VoicePrivacy would count the original as anonymised"),
        ("_f", "is part of the original's name"),
        ("/anon", "is no part of a directory's name"),
        ("_my anon", "is no part of a directory's name"),
    ],
)
def test_suffixes_that_voiceprivacy_mistakes_are_refused(suffix, reason):
    with pytest.raises(CorpusError, match=reason):
        refuse_vpc_suffix(Path("data", NAMES["f"]), suffix)


def test_a_plain_suffix_is_taken():
    refuse_vpc_suffix(Path("data/libri_test_trials_f"), "_none-T6")


@pytest.mark.parametrize(
    ("gone", "reason"),
    [
        (("enrolls", "f", "m"), f"neither {SET} nor {SET}_enrolls is there: give VoicePrivacy's data folder"),
        (("enrolls",), f"{SET}_enrolls is missing"),
        (("f", "m"), f"{SET}_trials_f and _trials_m is missing"),
    ],
)
def test_a_set_that_is_not_whole(folder, gone, reason):
    for part in gone:
        shutil.rmtree(folder / NAMES[part])
    with pytest.raises(CorpusError, match=reason):
        read_vpc(folder, SET)


def test_one_gender_alone_is_a_set(folder):
    shutil.rmtree(folder / NAMES["m"])
    assert set(read_vpc(folder, SET)) == {"f"}


def test_trials_of_nobody_enrolled_and_of_the_other_gender_are_refused(folder, tmp_path):
    data = folder / NAMES["enrolls"]
    write_datadir(data, [u for u in DataDir.read(data) if u.speaker != "s2"], enrolment=["s1-neu", "s3-neu", "s4-neu"])
    with pytest.raises(CorpusError, match="speaker 's2' has trials, but no utterance in"):
        read_vpc(folder, SET)
    shutil.rmtree(folder / NAMES["f"])
    (folder / NAMES["m"]).rename(folder / NAMES["f"])
    with pytest.raises(CorpusError, match="trials_f: utterance 's3-ang' is of the other gender"):
        read_vpc(folder, SET)
