"""Kaldi-style data directories: reading, writing, copying, hashing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech import VPC_LISTS, needs_vpc_lists
from stand_in import make_corpus, tone

from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Trial, Utterance, write_anonymised, write_datadir


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "corpus")


def test_emotions_are_vpcs_labels_in_vpcs_order():
    assert [str(emotion) for emotion in Emotion] == ["sad", "neu", "ang", "hap"]


def test_what_is_written_is_read(corpus):
    again = DataDir.read(corpus.path)
    assert again == corpus and len(again) == 16 and again.speakers == ("s1", "s2", "s3", "s4")
    assert [utterance.id for utterance in again] == sorted(utterance.id for utterance in again)
    assert again["s3-hap"] == Utterance(
        "s3-hap", "s3", "m", corpus.path / "wav/s3-hap.wav", "ONE TWO", Emotion.HAPPY, "2"
    )
    assert again.enrolment == ("s1-neu", "s2-neu", "s3-neu", "s4-neu")
    assert len(again.trials) == 8 and sum(trial.target for trial in again.trials) == 4
    assert again.trials[1] == Trial("s1", "s2-sad", False)


def test_files_are_sorted_kaldi_lines(corpus):
    assert (corpus.path / "wav.scp").read_text().splitlines()[0] == "s1-ang wav/s1-ang.wav"
    assert (corpus.path / "spk2utt").read_text().splitlines()[1] == "s2 s2-ang s2-hap s2-neu s2-sad"
    assert (corpus.path / "trials").read_text().splitlines()[:2] == ["s1 s1-sad target", "s1 s2-sad nontarget"]
    for name in ("wav.scp", "utt2spk", "spk2utt", "spk2gender", "text", "utt2emo", "spk2fold", "enrolls"):
        lines = (corpus.path / name).read_text().splitlines()
        assert lines == sorted(lines)


def test_unknown_utterance_is_a_key_error_that_names_it(corpus):
    with pytest.raises(KeyError, match="s9-sad"):
        corpus["s9-sad"]


def test_what_is_not_known_is_none_and_has_no_file(tmp_path, corpus):
    bare = [Utterance(u.id, u.speaker, u.gender, u.path) for u in corpus]
    data = write_datadir(tmp_path / "bare", bare)
    assert {(u.text, u.emotion, u.fold) for u in data} == {(None, None, None)}
    assert sorted(file.name for file in data.path.iterdir()) == ["spk2gender", "spk2utt", "utt2spk", "wav.scp"]


def test_rewriting_leaves_no_stale_file(corpus):
    write_datadir(corpus.path, [Utterance(u.id, u.speaker, u.gender, u.path) for u in corpus])
    assert not (corpus.path / "utt2emo").exists() and DataDir.read(corpus.path).trials == ()


def test_audio_elsewhere_is_named_absolutely_and_below_is_movable(tmp_path, corpus):
    other = write_datadir(tmp_path / "lists", corpus.utterances)
    assert (other.path / "wav.scp").read_text().startswith(f"s1-ang {corpus.path.absolute()}/wav/s1-ang.wav\n")
    shutil.move(corpus.path, tmp_path / "moved")
    assert DataDir.read(tmp_path / "moved")["s1-ang"].path == tmp_path / "moved/wav/s1-ang.wav"


def test_entries_relative_to_the_folder_that_holds_data_are_found(tmp_path):
    """VoicePrivacy's layout: data/SET/wav.scp says data/SET/wav/ID.wav."""
    data = make_corpus(tmp_path / "data" / "set")
    lines = [f"{u.id} data/set/wav/{u.id}.wav\n" for u in data]
    (data.path / "wav.scp").write_text("".join(lines))
    assert DataDir.read(data.path) == data


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "s2-sad"}, "wav.scp:8: duplicate id 's2-sad'"),
        ({"id": "a b"}, "malformed line 'a b s1'"),
        ({"id": "../s1"}, "wav.scp:1: id '../s1' cannot be used as a file name"),
        ({"gender": "x"}, "more than one gender"),
        ({"fold": "3"}, "more than one fold"),
        ({"emotion": "fear"}, "utt2emo:1: unknown emotion 'fear'"),
        ({"emotion": None}, "wav.scp:1: utterance 's1-ang' is not in utt2emo"),
        ({"text": "ONE\nTWO"}, "text"),
        ({"text": " "}, "text:1: empty transcript"),
        ({"path": Path("/nowhere.wav")}, "wav.scp:1: missing audio of 's1-ang': /nowhere.wav"),
    ],
)
def test_what_cannot_be_read_back_is_refused(tmp_path, corpus, change, reason):
    first, *rest = corpus.utterances
    with pytest.raises(CorpusError, match=reason):
        write_datadir(tmp_path / "bad", [Utterance(**{**vars(first), **change}), *rest])


def test_reading_stops_with_file_and_line_of_the_first_problem(corpus):
    path = corpus.path / "utt2emo"
    path.write_text(path.read_text().replace("s1-hap hap", "s1-hap joy").replace("s2-sad sad", "s2-sad blue"))
    expected = r"utt2emo:2: unknown emotion 'joy' of 's1-hap': .* \(and 1 more problems"
    with pytest.raises(CorpusError, match=expected):
        DataDir.read(corpus.path)


def test_a_place_that_is_no_directory(tmp_path):
    with pytest.raises(CorpusError, match="nothing-here: is not a directory"):
        DataDir.read(tmp_path / "nothing-here")


def test_hash_depends_on_content_and_not_on_place(tmp_path, corpus):
    original = corpus.content_hash()
    assert len(original) == 64
    shutil.copytree(corpus.path, tmp_path / "copy")
    copy = DataDir.read(tmp_path / "copy")
    assert copy.content_hash() == original
    assert write_datadir(tmp_path / "absolute", copy, enrolment=copy.enrolment, trials=copy.trials).content_hash() == (
        original
    )
    soundfile.write(copy["s1-sad"].path, tone(f0=99.0), 16_000)
    assert copy.content_hash() != original
    text = corpus.path / "text"
    text.write_text(text.read_text().replace("s4-sad ONE", "s4-sad TEN"))
    assert DataDir.read(corpus.path).content_hash() not in (original, copy.content_hash())


@pytest.mark.parametrize("mapping", [True, False])
def test_anonymised_copy_has_the_metadata_and_the_new_audio(tmp_path, corpus, mapping):
    folder = tmp_path / "made"
    folder.mkdir()
    for number, utterance in enumerate(corpus):
        soundfile.write(folder / f"{utterance.id}.flac", tone(f0=50.0 + number), 16_000)
    audio = {u.id: folder / f"{u.id}.flac" for u in corpus} if mapping else folder
    (corpus.path / "truth.csv").write_text("utterance,f0\ns1-ang,200\n")
    copy = write_anonymised(corpus, tmp_path / "corpus_anon", audio)
    assert (copy.enrolment, copy.trials) == (corpus.enrolment, corpus.trials)
    for before, after in zip(corpus, copy, strict=True):
        assert after.path == copy.path / "wav" / f"{before.id}.flac"
        assert {**vars(after), "path": None} == {**vars(before), "path": None}
        np.testing.assert_array_equal(soundfile.read(after.path)[0], soundfile.read(folder / after.path.name)[0])
    assert (copy.path / "truth.csv").read_text() == (corpus.path / "truth.csv").read_text()


def test_anonymised_copy_over_audio_already_in_place(tmp_path, corpus):
    wav = tmp_path / "anon" / "wav"
    shutil.copytree(corpus.path / "wav", wav)
    assert len(write_anonymised(corpus, tmp_path / "anon", wav)) == 16


def test_anonymised_copy_needs_every_utterance(tmp_path, corpus):
    audio = {u.id: u.path for u in corpus if u.id not in ("s1-hap", "s4-sad")}
    with pytest.raises(CorpusError, match="no anonymised audio of 2 utterances, first 's1-hap'"):
        write_anonymised(corpus, tmp_path / "anon", audio)
    assert not (tmp_path / "anon" / "wav.scp").exists()


def test_suffix_that_vpc_skips_is_refused(tmp_path, corpus):
    with pytest.raises(CorpusError, match="contains 'asr'"):
        write_anonymised(corpus, tmp_path / "corpus_ASRbn", corpus.path / "wav")


@needs_vpc_lists
@pytest.mark.parametrize(
    ("name", "utterances", "trials", "targets", "enrolment"),
    [
        ("libri_test_trials_f", 734, 11_744, 548, 0),
        ("libri_test_trials_m", 762, 9_906, 449, 0),
        ("libri_test_enrolls", 438, 0, 0, 438),
    ],
)
def test_voiceprivacys_own_lists(name, utterances, trials, targets, enrolment):
    data = DataDir.read(VPC_LISTS / name, require_audio=False)
    assert len(data) == utterances and len(data.enrolment) == enrolment
    assert len(data.trials) == trials and sum(trial.target for trial in data.trials) == targets
