"""What the pages of the book open and gather, on a study made by hand whose numbers can be counted."""

from dataclasses import replace

import pandas as pd
import pytest
from frames import results, utterance_lines

from emotrace.analysis.contrasts import metric_interval
from emotrace.engine.runner import RunError
from emotrace.show import pages
from emotrace.study import Study
from emotrace.study.results import Results, label_of

TITLE = "phantom (synthetic speech)"


def wrong_sad(row: str, called: str) -> list[dict]:
    """Every emotion five times for each speaker, recognised rightly but for one sad utterance of each."""
    return utterance_lines(row, {"sad": called}, 1)


@pytest.fixture
def studies() -> dict[str, Results]:
    called = {"original": "sad", "ECAPA-anon-T12-soft": "ang", "none-T3": "neu"}
    lines = [line for row, emotion in called.items() for line in wrong_sad(row, emotion)]
    return {TITLE: results(lines, source="phantom", n_bootstrap=50)}


def test_numbers_of_the_paper_have_a_place_only_for_its_own_rows_and_columns():
    assert pages.reported_value("ECAPA-anon-T12-soft", "sad") == 3.42
    assert pd.isna(pages.reported_value("none-T3", "sad")) and pd.isna(pages.reported_value("original", "kurtosis"))


def test_every_recogniser_of_every_study_is_gathered(studies):
    def recalls(results: Results, name: str, recogniser: str) -> pd.DataFrame:
        lines = [{"line": row} | metric_interval(results, row, name, recogniser)._asdict() for row in results.rows]
        return pd.DataFrame(lines)

    lines = studies[TITLE].utterances
    third = replace(
        studies[TITLE],
        utterances=lines.assign(emotion_egemaps=lines["emotion_ge2e"]),
        recognisers=("functionals", "ge2e", "egemaps"),
    )
    table = pages.by_recogniser(studies | {"third": third}, recalls, "sad").set_index(["panel", "recogniser", "line"])
    assert set(table.loc[TITLE].index.get_level_values(0)) == {"functionals + SVM", "GE2E + SVM"}
    assert set(table.loc["third"].index.get_level_values(0)) == set(map(label_of, third.recognisers))
    assert table.at[("third", "functionals + SVM", "ECAPA-anon-T12-soft"), "estimate"] == 80
    assert table.at[("third", "eGeMAPS + SVM", "ECAPA-anon-T12-soft"), "estimate"] == 100
    assert set(table["speech"]) == {"phantom"}


def test_speech_of_people_comes_first(monkeypatch):
    monkeypatch.setattr(pages, "recorded_study", lambda profile, *_, **__: profile)
    monkeypatch.setattr(pages, "Study", lambda profile, *_, **__: profile)
    assert list(pages.open_studies("phantom", [], 6, 0, 10).values()) == ["scale", "phantom"]
    assert list(pages.open_studies("scale", [], 6, 0, 10).values()) == ["scale"]


def test_what_is_recorded_is_opened_and_nothing_else_is_run(monkeypatch):
    monkeypatch.setattr("emotrace.study.study.run_rows", lambda *_, **__: pytest.fail("a row was run"))
    for profile in pages.SPEECH:
        study = pages.recorded_study(profile, n_bootstrap=20)
        assert study is None or (study.source == profile and study.rows and study.n_bootstrap == 20)


def test_an_experiment_that_is_not_recorded_says_how_to_record_it(tmp_path, monkeypatch):
    empty = replace(pages.get_profile("scale"), results=tmp_path)
    monkeypatch.setattr(pages, "get_profile", lambda _: empty)
    with pytest.raises(RunError, match="emotrace run --rows seeds --profile scale"):
        pages.open_experiment("seeds", 50)


def test_nothing_is_opened_where_nothing_or_too_little_is_recorded(tmp_path):
    empty = replace(pages.get_profile("scale"), results=tmp_path)
    assert pages.recorded_study(empty) is None
    recorded = pages.recorded_study("scale", ["original"])
    if recorded is None:
        pytest.skip("no recorded results of profile scale")
    (tmp_path / "original").symlink_to(pages.get_profile("scale").results / "original")
    assert pages.recorded_study(empty).rows == ("original",)
    assert pages.recorded_study(empty, complete=True) is None


def test_differences_and_their_direction(studies):
    pairs = [("ECAPA-anon-T12-soft", "original"), ("none-T3", "original"), ("none-T6", "original")]
    table = pages.compare(studies, pairs, ["uar", "ang"]).set_index(["line", "metric"])
    anonymised = table.loc[("ECAPA-anon-T12-soft\n− original", "uar")]
    assert anonymised["estimate"] == -5
    assert anonymised["reported"] == pytest.approx(45.19 - 71.06)
    assert anonymised["direction"] == "as in the paper"
    assert table.at[("ECAPA-anon-T12-soft\n− original", "ang"), "direction"] == "undecided"
    assert table.at[("none-T3\n− original", "uar"), "direction"] == "down"
    assert "none-T6\n− original" not in table.index.get_level_values(0)


@pytest.mark.parametrize(
    ("low", "high", "reported", "direction"),
    [
        (1, 2, 5, "as in the paper"),
        (-2, -1, 5, "opposite"),
        (-1, 2, 5, "undecided"),
        (1, 2, float("nan"), "up"),
        (-2, -1, float("nan"), "down"),
    ],
)
def test_direction(low, high, reported, direction):
    assert pages._direction(low, high, reported) == direction


def test_confusions_only_of_rows_that_are_there(studies):
    shown = pages.confusions_beside(studies, ["original", "none-T6"])
    assert list(shown) == ["original\nphantom"]
    assert shown["original\nphantom"].to_numpy().trace() == 160


def test_utterances_are_told_apart_by_speech_and_corpus(studies):
    lines = pages.utterances_beside(studies)
    assert set(lines["panel"]) == {"phantom, emotional speech"} and len(lines) == 3 * 160


@pytest.mark.parametrize(
    ("changed", "pairs"),
    [
        ({"layer": 3}, [("none-T6", "none-T3"), ("ECAPA-anon-T6", "ECAPA-anon-T3")]),
        ({"seed": 1}, [("ECAPA-anon-T6", "ECAPA-anon-T6, seed 1")]),
        ({}, []),
    ],
)
def test_studies_side_by_side_differ_in_the_rows_that_a_parameter_changes(changed, pairs):
    rows = ["original", "none-T6", "ECAPA-anon-T6"]
    first, second = Study("phantom", rows), Study("phantom", rows, **changed)
    both, found = pages.side_by_side(first, second)
    assert found == pairs and both.rows == (*first.rows, *(other for _, other in pairs))
    for own, other in pairs:
        name = other.partition(",")[0]
        assert both.lines(other)["emotion_ge2e"].tolist() == second.lines(name)["emotion_ge2e"].tolist()
        assert both.lines(own).equals(first.lines(own))
    assert len(both.trials) >= len(first.trials)
