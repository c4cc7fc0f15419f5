"""VoicePrivacy's data directories: the real lists, the layout there and back, and what its evaluation gets wrong."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech import VPC_LISTS, needs_vpc_lists
from stand_in import make_corpus, tone

from emotrace.corpus.audio import AudioError
from emotrace.corpus.datadir import CorpusError, DataDir, Trial, Utterance, write_datadir
from emotrace.corpus.importers.vpc import (
    join_vpc,
    read_vpc,
    refuse_vpc_suffix,
    vpc_parts,
    write_vpc,
    write_vpc_anonymised,
)

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


@needs_vpc_lists
def test_the_real_lists_are_written_back_byte_for_byte(tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(VPC_LISTS, folder)
    for line in (line for scp in folder.glob("*/wav.scp") for line in scp.read_text().splitlines()):
        file = tmp_path / line.split()[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    joined = join_vpc(read_vpc(folder), tmp_path / "joined")
    assert len(joined) == 438 + 734 + 762 and len(joined.trials) == 11_744 + 9_906
    written = write_vpc(joined, tmp_path / "again", "libri_test")
    compared = 0
    for part, original in vpc_parts(VPC_LISTS).items():
        for name in ("enrolls", "spk2gender", "spk2utt", "text", "trials", "utt2spk"):
            if (original / name).exists():
                assert (written[part] / name).read_bytes() == (original / name).read_bytes(), (part, name)
                compared += 1
    assert compared == 15


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
    write_vpc(corpus, tmp_path / "data", SET)
    for name in NAMES.values():
        (tmp_path / "data" / name / "utt2dur").write_text("kept as it is \n")
    return tmp_path / "data"


@pytest.fixture
def anonymised_audio(corpus, tmp_path) -> dict[str, Path]:
    files = {u.id: tmp_path / "made" / f"{u.id}.flac" for u in corpus}
    (tmp_path / "made").mkdir()
    for number, file in enumerate(files.values()):
        soundfile.write(file, tone(rate=24_000, f0=90.0 + number), 24_000)
    return files


def test_there_and_back(corpus, folder, tmp_path):
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES.values())
    assert not (folder / NAMES["enrolls"] / "trials").exists() and not (folder / NAMES["f"] / "enrolls").exists()
    read = read_vpc(folder, SET)
    assert set(read) == {"f", "m"} and len(read["f"]) == 6 and len(read["f"].trials) == 8
    again = join_vpc(read, tmp_path / "again")
    assert again.content_hash() == corpus.content_hash()


def test_an_undivided_set_is_one_directory(tmp_path):
    emotional = make_corpus(tmp_path / "corpus")
    plain = write_datadir(tmp_path / "bare", emotional)
    assert write_vpc(plain, tmp_path / "data", "IEMOCAP_test") == {"all": tmp_path / "data" / "IEMOCAP_test"}
    assert read_vpc(tmp_path / "data", "IEMOCAP_test")["all"].content_hash() == plain.content_hash()


def test_an_anonymised_copy_is_every_directory_with_the_suffix(folder, anonymised_audio):
    copies = write_vpc_anonymised(folder, SET, "_anon", anonymised_audio)
    assert [path.name for path in copies.values()] == [f"{name}_anon" for name in NAMES.values()]
    for part, copy in copies.items():
        original = folder / NAMES[part]
        names = {path.name for path in original.iterdir()}
        assert {path.name for path in copy.iterdir()} == names | {"wav"}
        for name in names - {"wav.scp"}:
            assert (copy / name).read_bytes() == (original / name).read_bytes()
    first = (copies["f"] / "wav.scp").read_text().splitlines()[0]
    assert first == f"s1-ang data/{NAMES['f']}_anon/wav/s1-ang.wav"
    read = read_vpc(folder, SET, suffix="_anon")
    info = soundfile.info(read["f"]["s1-ang"].path)
    assert (info.samplerate, info.format, info.subtype, info.frames) == (16_000, "WAV", "PCM_16", 9_600)
    assert read["m"].trials == read_vpc(folder, SET)["m"].trials


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
def test_suffixes_that_voiceprivacy_mistakes_are_refused(folder, anonymised_audio, suffix, reason):
    before = sorted(folder.rglob("*"))
    with pytest.raises(CorpusError, match=reason):
        write_vpc_anonymised(folder, SET, suffix, anonymised_audio)
    assert sorted(folder.rglob("*")) == before


def test_a_plain_suffix_is_taken():
    refuse_vpc_suffix(Path("data/libri_test_trials_f"), "_none-T6")


def test_a_changed_list_in_the_copy_is_refused_because_it_would_have_no_effect(folder, anonymised_audio):
    copies = write_vpc_anonymised(folder, SET, "_anon", anonymised_audio)
    trials = copies["f"] / "trials"
    trials.write_text("".join(trials.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(CorpusError, match=r"trials_f_anon/trials: differs from .*, which VoicePrivacy uses"):
        read_vpc(folder, SET, suffix="_anon")
    trials.unlink()
    with pytest.raises(CorpusError, match=r"trials_f_anon/trials: is missing: copy it from"):
        read_vpc(folder, SET, suffix="_anon")
    shutil.rmtree(copies["m"])
    shutil.copy(folder / NAMES["f"] / "trials", trials)
    with pytest.raises(CorpusError, match="needs a copy of every directory"):
        read_vpc(folder, SET, suffix="_anon")


def test_an_utterance_without_audio_leaves_nothing_behind(folder, anonymised_audio):
    del anonymised_audio["s3-sad"]
    before = sorted(folder.rglob("*"))
    with pytest.raises(CorpusError, match="no anonymised audio of 1 utterances, first 's3-sad'"):
        write_vpc_anonymised(folder, SET, "_anon", anonymised_audio)
    assert sorted(folder.rglob("*")) == before


def test_unreadable_audio_leaves_no_half_written_set(folder, anonymised_audio):
    before = sorted(folder.rglob("*"))
    anonymised_audio["s4-sad"].write_text("no audio")
    with pytest.raises(AudioError, match="s4-sad.flac"):
        write_vpc_anonymised(folder, SET, "_anon", anonymised_audio)
    assert sorted(folder.rglob("*")) == before


def test_audio_beyond_full_scale_is_refused_and_overshoot_of_resampling_is_not(folder, anonymised_audio, tmp_path):
    square = np.sign(np.sin(2 * np.pi * 150 * np.arange(24_000) / 24_000)) * 0.9999
    soundfile.write(anonymised_audio["s1-ang"], square, 24_000)
    write_vpc_anonymised(folder, SET, "_square", anonymised_audio)
    loud = {**anonymised_audio, "s1-ang": tmp_path / "loud.wav"}
    soundfile.write(loud["s1-ang"], tone(peak=1.2), 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="refusing to clip"):
        write_vpc_anonymised(folder, SET, "_loud", loud)


def test_a_copy_that_is_there_is_not_written_over(folder, anonymised_audio, corpus, tmp_path):
    write_vpc_anonymised(folder, SET, "_anon", anonymised_audio)
    with pytest.raises(CorpusError, match="_enrolls_anon: is there already: remove it or choose another suffix"):
        write_vpc_anonymised(folder, SET, "_anon", anonymised_audio)
    with pytest.raises(CorpusError, match="_enrolls: is there already"):
        write_vpc(corpus, folder, SET)


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


def test_what_has_no_place_in_the_layout_is_refused_before_writing(corpus, tmp_path):
    def refuse(reason, **lists):
        data = write_datadir(
            tmp_path / "odd", corpus, **{"enrolment": corpus.enrolment, "trials": corpus.trials} | lists
        )
        with pytest.raises(CorpusError, match=reason):
            write_vpc(data, tmp_path / "never", SET)
        assert not (tmp_path / "never").exists()

    refuse(
        "utterance 's1-sad' is neither enrolled nor tried",
        trials=[t for t in corpus.trials if "s1-sad" not in t.utterance],
    )
    refuse("trial 's1 s3-sad' crosses genders", trials=[*corpus.trials, Trial("s1", "s3-sad", False)])
    refuse("has trials but no enrolment", enrolment=[])
