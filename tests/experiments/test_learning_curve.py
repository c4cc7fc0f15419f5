"""The learning curve: who is drawn, what the numbers are, and that its last point is the table's recogniser."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from stand_in import make_corpus
from tiny_models import make_models
from tiny_study import QUICK

from emotrace.corpus.datadir import DataDir, Emotion, write_datadir
from emotrace.engine.runner import RunError, state_of
from emotrace.experiments import learning_curve as module
from emotrace.experiments.learning_curve import (
    DRAWS,
    LINES,
    CurveWork,
    curve_record,
    gap_changes,
    learning_curve,
    run_learning_curve,
    speaker_draws,
)
from emotrace.pipeline.measures import Measure
from emotrace.pipeline.results import emotion_column, write_parquet
from emotrace.pipeline.rows import select_rows
from emotrace.study.profiles import Corpus, Profile, get_profile
from emotrace.study.run import run_rows

ROWS = ("original", "official-control")
MEASURES = frozenset({Measure.EMOTION, Measure.SPEAKER, Measure.ACOUSTICS})


def other_speakers(path: Path) -> DataDir:
    """The made-up corpus once more, under other names."""
    data = make_corpus(path / "recorded")
    return write_datadir(path, [replace(u, id=f"x{u.id}", speaker=f"x{u.speaker}") for u in data])


@pytest.fixture(scope="module")
def profile(tmp_path_factory, inline_workers) -> Profile:
    folder = tmp_path_factory.mktemp("curve")
    make_corpus(folder / "corpus")
    other_speakers(folder / "training")
    make_models(folder / "models")
    return Profile(
        name="tiny",
        corpora=(Corpus("emotional", folder / "corpus", MEASURES),),
        work=folder / "work",
        results=folder / "results",
        ser_training=folder / "training",
        models=folder / "models",
        recognisers=QUICK,
    )


@pytest.fixture(scope="module")
def recorded(profile) -> Profile:
    """The profile with its curve, of two rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", ROWS)
        assert state_of(CurveWork(profile)).state == "missing"
        assert run_learning_curve(profile, jobs=1)
    return profile


def test_the_last_point_is_the_recogniser_of_the_table(recorded):
    run_rows(recorded, select_rows(ROWS), jobs=1)
    lines = pd.read_parquet(curve_record(recorded).tables[0])
    assert len(lines) == 2 * 2 * (DRAWS + 1) * 16, "rows, recognisers, draws, utterances"
    for row in ROWS:
        table = pd.read_parquet(recorded.results / row / "utterances.parquet").set_index("utterance")
        for recogniser in QUICK.ser:
            last = lines[(lines["row"] == row) & (lines["recogniser"] == recogniser) & (lines["speakers"] == 4)]
            predictions = last.set_index("utterance")["predicted"]
            assert predictions.to_dict() == table[emotion_column(recogniser)].to_dict()


def test_a_curve_is_recorded_once_and_stale_when_the_draws_change(recorded, monkeypatch):
    monkeypatch.setattr(module, "ROWS", ROWS)
    assert state_of(CurveWork(recorded)).state == "done"
    assert not run_learning_curve(recorded, jobs=1)
    monkeypatch.setattr(module, "DRAWS", DRAWS + 1)
    assert state_of(CurveWork(recorded)).reasons == ("draws",)


def test_without_the_data_what_is_recorded_is_judged_by_everything_else(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROWS", ROWS)
    [corpus] = recorded.corpora
    gone = replace(recorded, corpora=(replace(corpus, path=tmp_path / "gone"),), ser_training=tmp_path / "gone")
    assert state_of(CurveWork(gone)).state == "done"
    empty = replace(gone, results=tmp_path / "none")
    assert state_of(CurveWork(empty)).state == "missing"
    with pytest.raises(RunError, match="the data is not there"):
        run_learning_curve(empty)


def test_as_many_women_as_men_are_drawn_the_same_each_time(profile):
    data = DataDir.read(profile.ser_training)
    draws = speaker_draws(data)
    assert [len(points) for points in draws] == [DRAWS, 1] and draws == speaker_draws(data)
    assert draws[1] == (frozenset({"xs1", "xs2", "xs3", "xs4"}),)
    assert all(len(drawn & {"xs1", "xs2"}) == len(drawn & {"xs3", "xs4"}) == 1 for drawn in draws[0])
    assert len(set(draws[0])) > 1, "not always the same two"
    with pytest.raises(ValueError, match="2 and 1 of each gender"):
        speaker_draws([utterance for utterance in data if utterance.speaker != "xs4"])


def made_up(speakers: int, row: str, wrong: int) -> list[dict]:
    """Two draws, two test speakers, of each emotion ten utterances, of which `wrong` sad ones are called angry."""
    return [
        {"row": row, "recogniser": "functionals", "speakers": speakers, "draw": draw, "utterance": f"{s}-{emotion}-{n}"}
        | {"speaker": s, "emotion": emotion.value, "fold": "1"}
        | {"predicted": "ang" if emotion is Emotion.SAD and n < wrong else emotion.value}
        for draw in range(2)
        for s in ("a", "b")
        for emotion in Emotion
        for n in range(10)
    ]


def test_numbers_are_the_mean_over_draws_and_what_a_control_keeps(tmp_path):
    profile = replace(get_profile("scale"), results=tmp_path)
    with pytest.raises(RunError, match="emotrace learning-curve"):
        learning_curve(profile)
    lines = [
        *made_up(2, "original", 0),
        *made_up(2, "log-mel", 4),
        *made_up(4, "original", 2),
        *made_up(4, "log-mel", 2),
    ]
    record = curve_record(profile)
    write_parquet(record.tables[0], pd.DataFrame(lines), LINES)
    record.provenance.write_text("{}")
    curve = learning_curve(profile, n_bootstrap=20).set_index(["row", "metric", "speakers"])["estimate"].sort_index()
    assert curve["original", "uar"].tolist() == pytest.approx([100, 95])
    assert curve["log-mel", "uar"].tolist() == pytest.approx([90, 95])
    assert curve["log-mel", "kept"].tolist() == pytest.approx([0.9, 1.0])
    assert ("original", "kept", 2) not in curve
    [change] = gap_changes(profile, n_bootstrap=20).to_dict("records")
    assert (change["row"], change["fewest"], change["most"]) == ("log-mel", 2, 4)
    assert change["estimate"] == pytest.approx((95 - 95) - (100 - 90))


def test_a_profile_without_other_speakers_has_no_curve():
    with pytest.raises(RunError, match="fold by fold"):
        run_learning_curve(get_profile("phantom"))
