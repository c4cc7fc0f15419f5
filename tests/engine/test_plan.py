"""The plan counts what is missing, starts nothing, and says how to get what is not there."""

from dataclasses import replace
from pathlib import Path

import pytest
from stand_in import make_corpus

from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.study.groups import GROUPS
from emotrace.study.layout import ORIGINAL, Layout
from emotrace.engine.plan import CORE_SECONDS, corpora_table, make_plan
from emotrace.study.profiles import (
    ALL_MEASURES,
    CUE_MEASURES,
    PROFILES,
    Corpus,
    Measure,
    Profile,
    ProfileError,
    get_profile,
    import_corpora,
    phantom,
    prepare,
    scale,
)
from emotrace.pipeline.rows import ALL_ROWS, Route, select_rows

SECONDS = 16 * 0.6


@pytest.fixture
def layout(tmp_path) -> Layout:
    make_corpus(tmp_path / "corpus")
    corpora = (
        Corpus("emotional", tmp_path / "corpus", ALL_MEASURES, transcribed_per_cell=0, neutral_is_read=True),
        Corpus("f0", tmp_path / "corpus", CUE_MEASURES, rows=("original", "none-T6")),
    )
    profile = Profile("tiny", corpora, tmp_path / "work", tmp_path / "results")
    return Layout(profile, models=tmp_path / "models")


def test_the_estimate_is_the_audio_times_the_constants(layout):
    line = make_plan(layout, select_rows(["official-control"])).rows.iloc[0]
    neutral = SECONDS / 4
    expected = SECONDS * (CORE_SECONDS[Route.COPY] + sum(CORE_SECONDS[m] for m in Measure if m != Measure.WORDS))
    # the row's own measurements, and the originals' for the recognisers and the attackers
    expected += SECONDS * (CORE_SECONDS[Measure.SPEAKER] + CORE_SECONDS[Measure.EMOTION])
    expected += neutral * CORE_SECONDS[Measure.WORDS]
    assert line["core_minutes"] * 60 == pytest.approx(expected)
    assert line["utterances"] == 16 and line["audio_minutes"] * 60 == pytest.approx(SECONDS)


def test_shared_work_is_counted_once(layout):
    together = make_plan(layout, select_rows(["original", "official-control"])).rows.set_index("row")
    alone = make_plan(layout, select_rows(["official-control"])).rows.set_index("row")
    shared = SECONDS * (CORE_SECONDS[Measure.SPEAKER] + CORE_SECONDS[Measure.EMOTION]) / 60
    difference = alone["core_minutes"]["official-control"] - together["core_minutes"]["official-control"]
    assert difference == pytest.approx(shared)


def test_what_is_there_is_not_planned_again(layout):
    row = select_rows(["official-control"])
    before = make_plan(layout, row).core_minutes
    for task in layout.synthesis_tasks(row[0]):
        task.output.parent.mkdir(parents=True, exist_ok=True)
        task.output.touch()
    assert before - make_plan(layout, row).core_minutes == pytest.approx(SECONDS * CORE_SECONDS[Route.COPY] / 60)


def test_planning_starts_nothing(layout):
    make_plan(layout, ALL_ROWS)
    assert not layout.profile.work.exists() and not layout.profile.results.exists()


def test_missing_models_and_data_are_named_with_a_way_to_get_them(layout, tmp_path):
    assert "acoustic-none-T6" in make_plan(layout, select_rows(["none-T6"])).missing[0]
    assert "emotrace train" in make_plan(layout, select_rows(["none-T6"])).missing[0]
    empty = make_plan(Layout(scale(tmp_path)), select_rows(["original"]))
    assert "zenodo.org" in empty.missing[0] and empty.core_minutes == 0


def test_corpora_run_on_the_rows_they_name(layout):
    table = corpora_table(layout).set_index("corpus")
    assert table.loc["emotional", "transcribed"] == 4 and table.loc["f0", "transcribed"] == 0
    names = {row.name: [corpus.name for corpus in layout.corpora(row)] for row in ALL_ROWS}
    assert names["none-T6"] == ["emotional", "f0"] and names["ECAPA-orig-T6"] == ["emotional"]
    third = select_rows(["none-T6"], layer=3)[0]
    assert [corpus.name for corpus in layout.corpora(third)] == ["emotional", "f0"]


@pytest.mark.parametrize(("limit", "count"), [(None, 16), (0, 4), (1, 16)])
def test_neutral_utterances_that_stand_in_for_read_speech_are_all_transcribed(layout, limit, count):
    data = layout.data(layout.profile.corpora[0].path)
    chosen = replace(layout.profile.corpora[0], transcribed_per_cell=limit).transcribed(data, ORIGINAL)
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
    assert on_read["attribution"] == ["original", "none-T1", "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft"]
    assert on_read["effects"] == ["original", "none-T1", "ECAPA-anon-T12-soft"]
    assert len(on_read["seeds"]) == 6 and all(map(read.includes, ALL_ROWS))


def test_every_path_and_row_of_every_profile_exists():
    for make in PROFILES.values():
        profile = make()
        assert all(corpus.rows is None or profile.select(corpus.rows) for corpus in profile.corpora)
        assert all(not corpus.skipped or profile.select(corpus.skipped) for corpus in profile.corpora)
        assert profile.selection.n_random <= profile.selection.n_farthest
    assert phantom().has_data()
    assert set(PROFILES) == {"phantom", "scale", "paper"}


def test_an_unknown_profile_and_absent_data_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ProfileError, match="there are: phantom, scale, paper"):
        get_profile("study")
    with pytest.raises(ProfileError, match="git checkout -- data/phantom"):
        prepare(phantom(tmp_path))
    monkeypatch.setenv("EMOTRACE_DATA", str(tmp_path))
    with pytest.raises(ProfileError, match=f"no ravdess at {tmp_path}"):
        import_corpora(tmp_path, ravdess=None, librispeech=Path("none"))
