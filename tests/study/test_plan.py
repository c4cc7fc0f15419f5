"""The plan counts what is missing, starts nothing, and says how to get what is not there."""

from dataclasses import replace
from pathlib import Path

import pytest
from stand_in import make_corpus

from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.engine.runner import RunError
from emotrace.pipeline.measures import Measure
from emotrace.pipeline.rows import ALL_ROWS, ORIGINAL, select_rows
from emotrace.study.groups import CONTROLS, GROUPS
from emotrace.study.plan import CORE_SECONDS, OTHER_SECONDS, STREAM_SECONDS, corpora_table, make_plan
from emotrace.study.profiles import (
    ALL_MEASURES,
    CUE_MEASURES,
    PROFILES,
    Corpus,
    Profile,
    get_profile,
    phantom,
    prepare,
)
from emotrace.study.run import RowWork
from emotrace.study.scale import LABELS, add_corpora, scale

SECONDS = 16 * 0.6


@pytest.fixture
def profile(tmp_path) -> Profile:
    make_corpus(tmp_path / "corpus")
    corpora = (
        Corpus("emotional", tmp_path / "corpus", ALL_MEASURES, transcribed_per_cell=0, neutral_is_read=True),
        Corpus("f0", tmp_path / "corpus", CUE_MEASURES, rows=("original", "none-T6")),
    )
    folders = {"work": tmp_path / "work", "results": tmp_path / "results", "models": tmp_path / "models"}
    return Profile(name="tiny", corpora=corpora, **folders)


UNIVERSAL = CORE_SECONDS["universal"] + OTHER_SECONDS
"""Synthesis of the row official-control, with its one stream, which nobody has measured."""
LEARNED = CORE_SECONDS[Measure.SPEAKER] + 2 * CORE_SECONDS[Measure.EMOTION]
"""What the recognisers and the attackers need of the originals; two of three recognisers have features of their own."""


def test_the_estimate_is_the_audio_times_the_constants(profile):
    line = make_plan(profile, select_rows(["official-control"])).rows.iloc[0]
    neutral = SECONDS / 4
    further = CORE_SECONDS[Measure.NATURALNESS] + CORE_SECONDS[Measure.ACOUSTICS]
    expected = SECONDS * (UNIVERSAL + 2 * LEARNED + further)
    expected += neutral * CORE_SECONDS[Measure.WORDS]
    assert line["core_minutes"] * 60 == pytest.approx(expected)
    assert line["utterances"] == 16 and line["audio_minutes"] * 60 == pytest.approx(SECONDS)
    assert (line["state"], line["row"]) == ("missing", "official-control")


def test_shared_measurements_are_counted_once(profile):
    together = make_plan(profile, select_rows(["original", "official-control"])).rows.set_index("row")
    alone = make_plan(profile, select_rows(["official-control"])).rows.set_index("row")
    difference = alone["core_minutes"]["official-control"] - together["core_minutes"]["official-control"]
    assert difference == pytest.approx(SECONDS * LEARNED / 60)


def test_shared_streams_are_counted_once(profile):
    rows = select_rows(["none-T6", "ECAPA-orig-T6"])
    together, alone = (make_plan(profile, some).rows.set_index("row") for some in (rows, rows[1:]))
    difference = alone["core_minutes"]["ECAPA-orig-T6"] - together["core_minutes"]["ECAPA-orig-T6"]
    shared = LEARNED + STREAM_SECONDS["hubert"] + STREAM_SECONDS["f0"]
    assert difference == pytest.approx(SECONDS * shared / 60)


def test_what_is_there_is_not_planned_again(profile):
    row = select_rows(["official-control"])
    before = make_plan(profile, row)
    for description, tasks in RowWork(profile, row[0]).stages():
        for task in tasks if description.startswith("synthesis") else ():
            task.output.parent.mkdir(parents=True, exist_ok=True)
            task.output.touch()
    after = make_plan(profile, row)
    assert before.core_minutes - after.core_minutes == pytest.approx(SECONDS * UNIVERSAL / 60)
    assert after.rows["state"].item() == "partial"
    assert 0 < after.rows["disk_mb"].item() < before.rows["disk_mb"].item()


def test_planning_starts_nothing(profile):
    make_plan(profile, ALL_ROWS)
    assert not profile.work.exists() and not profile.results.exists()


def test_missing_models_and_data_are_named_with_a_way_to_get_them(profile, tmp_path):
    assert make_plan(profile, select_rows(["none-T6"])).missing == (
        "models acoustic-none-T6, hubert: emotrace train all",
    )
    assert make_plan(profile, select_rows(["official-control"])).missing == ()
    empty = make_plan(scale(tmp_path), select_rows(["original"]))
    assert "zenodo.org" in empty.missing[0] and empty.core_minutes == 0


def test_corpora_run_on_the_rows_they_name(profile):
    table = corpora_table(profile).set_index("corpus")
    assert table.loc["emotional", "transcribed"] == 4 and table.loc["f0", "transcribed"] == 0
    names = {row.name: [corpus.name for corpus in RowWork(profile, row).corpora] for row in ALL_ROWS}
    assert names["none-T6"] == ["emotional", "f0"] and names["ECAPA-orig-T6"] == ["emotional"]
    third = select_rows(["none-T6"], layer=3)[0]
    assert [corpus.name for corpus in RowWork(profile, third).corpora] == ["emotional", "f0"]


@pytest.mark.parametrize(("limit", "count"), [(None, 16), (0, 4), (1, 16)])
def test_neutral_utterances_that_stand_in_for_read_speech_are_all_transcribed(profile, limit, count):
    data = DataDir.read(profile.corpora[0].path)
    chosen = replace(profile.corpora[0], transcribed_per_cell=limit).transcribed(data, ORIGINAL)
    assert len(chosen) == count
    assert {u.id for u in data if u.emotion is Emotion.NEUTRAL} <= chosen


def test_transcribed_utterances_are_spread_evenly_over_a_cell():
    utterances = tuple(Utterance(f"s-{n:02}", "s", "f", Path(f"{n}.flac"), "TEXT", Emotion.SAD) for n in range(8))
    corpus, data = Corpus("emotional", Path(), ALL_MEASURES, transcribed_per_cell=3), DataDir(Path(), utterances)
    assert corpus.transcribed(data, ORIGINAL) == {"s-00", "s-02", "s-04"}
    seed = GROUPS["seeds"][-1]
    assert corpus.transcribed(data, seed) == {"s-00", "s-02", "s-04"}
    further = replace(corpus, transcribed_per_cell=None, further_per_cell=1)
    assert len(further.transcribed(data, ORIGINAL)) == 8 and further.transcribed(data, seed) == {"s-00"}


def test_rows_about_emotion_alone_are_not_run_on_read_speech():
    read = {corpus.name: corpus for corpus in scale().corpora}["read"]
    on_read = {name: [row.name for row in rows if read.includes(row)] for name, rows in GROUPS.items()}
    hubert = ["original", *CONTROLS, "none-T1", "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft"]
    assert on_read["attribution"] == [*hubert, "none-W1", "ECAPA-orig-W6-soft", "ECAPA-anon-W6-soft"]
    assert on_read["effects"] == ["original", "none-T1", "ECAPA-anon-T12-soft"]
    assert len(on_read["seeds"]) == 8 and all(map(read.includes, ALL_ROWS))


def test_further_rows_and_redrawn_ones_are_spared_what_their_experiment_does_not_ask():
    profile = scale()
    emotional, read = profile.corpora[:2]
    table, seed = profile.select(["ECAPA-anon-W6-soft"])[0], profile.select(["none-W1@seed2"])[0]
    assert emotional.measures_of(table) == ALL_MEASURES and emotional.measures_of(seed) == LABELS
    assert read.includes(table) and not read.includes(seed)
    drawn = RowWork(replace(profile, seed=3), table)
    assert [corpus.name for corpus in drawn.corpora] == ["emotional"] and drawn.folder.name.endswith("-seed3")
    assert drawn.corpora[0].measures_of(table) == LABELS
    assert seed.name in profile.unmatched and table.name not in profile.unmatched
    heard = profile.select(["none-W1@emotional"])[0]
    assert [corpus.path.name for corpus in RowWork(profile, heard).corpora] == ["test-02"]


def test_rows_without_training_speech_render_none(profile):
    row = select_rows(["official-control"])[0]
    learned = replace(profile, ser_training=profile.corpora[0].path)
    assert RowWork(learned, row).rendered_training is not None
    assert RowWork(replace(learned, unmatched=(row.name,)), row).rendered_training is None
    anonymised = select_rows(["ECAPA-anon-T6"])[0]
    assert RowWork(learned, anonymised).rendered_training is not None
    assert RowWork(replace(learned, seed=1), anonymised).rendered_training is None


def test_every_path_and_row_of_every_profile_exists():
    for name in PROFILES:
        profile = get_profile(name)
        assert profile.name == name
        assert all(corpus.rows is None or profile.select(corpus.rows) for corpus in profile.corpora)
        assert all(not corpus.skipped or profile.select(corpus.skipped) for corpus in profile.corpora)
        assert profile.selection.n_random <= profile.selection.n_farthest
    assert phantom().has_data()
    assert set(PROFILES) == {"phantom", "scale", "paper"}


def test_an_unknown_profile_and_absent_data_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="unknown profile 'study'; there are: phantom, scale, paper"):
        get_profile("study")
    with pytest.raises(RunError, match="git checkout -- data/phantom"):
        prepare(phantom(tmp_path))
    monkeypatch.setenv("EMOTRACE_DATA", str(tmp_path))
    with pytest.raises(RunError, match=f"no ravdess at {tmp_path}"):
        add_corpora(root=tmp_path)
