"""The verb evaluate where files are missing: what cannot be measured is said, and its columns are empty."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from stand_in import make_corpus, tone

from emotrace import evaluate
from emotrace.analysis.summary import difference_table, summary_table, write_results
from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Utterance, write_datadir
from emotrace.pipeline.measures import Measure, Recognisers
from emotrace.study.verbs import possible_measures

NO_EER, NO_WER = "no EER: there are no trials or no enrolls file", "no WER: there is no text file"
NO_EMOTION = "no emotion recognition: there is no utt2emo file"
NO_FOLDS = "no emotion recognition: give spk2fold (two folds or more) or --train DIR"
ONE_EMOTION = "no emotion recognition: one emotion only, so give --train DIR"
NO_ACOUSTICS = "no acoustics: audio durations differ by more than 0.1 s"


def without_texts(utterance: Utterance) -> Utterance:
    return replace(utterance, text=None)


def without_emotions(utterance: Utterance) -> Utterance:
    return replace(utterance, emotion=None)


def without_folds(utterance: Utterance) -> Utterance:
    return replace(utterance, fold=None)


def all_sad(utterance: Utterance) -> Utterance:
    return replace(utterance, emotion=Emotion.SAD)


@pytest.mark.parametrize(
    ("change", "training", "missing", "notes"),
    [
        (without_texts, False, {Measure.WORDS}, (NO_WER,)),
        (without_emotions, False, {Measure.EMOTION}, (NO_EMOTION,)),
        (without_folds, False, {Measure.EMOTION}, (NO_FOLDS,)),
        (without_folds, True, set(), ()),
        (all_sad, False, {Measure.EMOTION}, (ONE_EMOTION,)),
        (all_sad, True, set(), ()),
    ],
)
def test_what_files_allow_is_measured_and_the_rest_is_said(
    tmp_path, change: Callable[[Utterance], Utterance], training, missing, notes
):
    data = make_corpus(tmp_path)
    assert possible_measures(data, data, training) == (frozenset(Measure), ())
    changed = write_datadir(tmp_path, map(change, data), enrolment=data.enrolment, trials=data.trials)
    assert possible_measures(changed, changed, training) == (frozenset(Measure) - missing, notes)


def test_without_trials_no_speaker_is_verified(tmp_path):
    data = make_corpus(tmp_path)
    changed = write_datadir(tmp_path, list(data))
    assert possible_measures(changed, changed, False) == (frozenset(Measure) - {Measure.SPEAKER}, (NO_EER,))


def test_where_nothing_can_be_measured_the_tables_are_written_all_the_same(tmp_path, inline_workers):
    made = make_corpus(tmp_path / "made")
    bare = [without_texts(without_emotions(without_folds(utterance))) for utterance in made]
    recordings = write_datadir(tmp_path / "recordings", bare)
    longer = longer_copy(recordings, tmp_path / "longer")
    results = evaluate(recordings, longer, recognisers=Recognisers(naturalness=""), work=tmp_path / "work")
    assert results.rows == ("original", "longer") and results.notes == (NO_EER, NO_WER, NO_EMOTION, NO_ACOUSTICS)
    summary = summary_table(results)
    assert summary.empty and difference_table(results).empty
    write_results(tmp_path / "out", results, summary)
    lines = pd.read_parquet(tmp_path / "out" / "utterances.parquet")
    assert len(lines) == 2 * 16 and set(lines["row"]) == {"original", "longer"}
    assert lines[["hypothesis", "emotion_ge2e", "kurtosis", "kurtosis_histogram"]].isna().all(axis=None)
    assert pd.read_parquet(tmp_path / "out" / "trials.parquet").empty


def longer_copy(data: DataDir, folder: Path) -> DataDir:
    """The same utterances with other audio, 0.2 s longer."""
    folder.mkdir(parents=True)
    utterances = [replace(utterance, path=folder / f"{utterance.id}.wav") for utterance in data]
    for utterance in utterances:
        soundfile.write(utterance.path, tone(0.8), 16_000)
    return write_datadir(folder, utterances)


def test_several_copies_keep_their_own_notes_and_names(tmp_path, inline_workers):
    made = make_corpus(tmp_path / "made")
    recordings = write_datadir(tmp_path / "recordings", [without_texts(utterance) for utterance in made])
    folders = [tmp_path / place / "wav" for place in ("mine", "theirs")]
    copies = [longer_copy(recordings, folders[0]), write_datadir(folders[1], list(recordings))]
    bare = Recognisers(ser=("ge2e",), naturalness="", attacker="", matched=False)
    results = evaluate(recordings, copies, recognisers=bare, work=tmp_path / "work")
    assert results.rows == ("original", "mine-wav", "theirs-wav")
    assert [note for note in results.notes if "acoustics" in note] == [f"mine-wav: {NO_ACOUSTICS}"]
    measured = results.utterances.groupby("row")["kurtosis"].count()
    assert measured.to_dict() == {"original": 16, "mine-wav": 0, "theirs-wav": 16}
    assert set(difference_table(results)["version"]) == {"mine-wav", "theirs-wav"}


def test_an_enrolment_copy_belongs_to_one_copy(tmp_path):
    data = make_corpus(tmp_path)
    with pytest.raises(CorpusError, match="evaluate them one by one"):
        evaluate(data, [data, data], enrolment=data)


@pytest.mark.parametrize(("seconds", "asr"), [(43.0, "whisper-tiny.en"), (50.0, "whisper-tiny.en-windows")])
def test_words_of_a_long_file_are_recognised_by_windows(tmp_path, inline_workers, seconds, asr):
    """One file of so many seconds decides who recognises the words of all, so that versions stay comparable."""
    sayer = Utterance("long", "a", "f", tmp_path / "wav" / "long.wav", "ONE TWO")
    sayer.path.parent.mkdir()
    soundfile.write(sayer.path, tone(seconds), 16_000)
    data = write_datadir(tmp_path, [sayer])
    found = evaluate(data, data, recognisers=Recognisers(naturalness="", acoustics=()), work=tmp_path / "work")
    assert found.identity["recognisers"].asr == asr
    assert found.utterances["hypothesis"].notna().all()


def test_an_unknown_recogniser_is_refused_before_anything_is_measured(tmp_path):
    data = make_corpus(tmp_path)
    with pytest.raises(ValueError, match="unknown emotion recogniser ''"):
        evaluate(data, data, recognisers=Recognisers(ser=("",)), work=tmp_path / "work")
    assert not (tmp_path / "work").exists()
