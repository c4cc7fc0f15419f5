"""Systems among recorded rows: what is equal is undecided, what is known to be better is better."""

from dataclasses import replace

import pandas as pd
import pytest
from frames import results, trial_lines, utterance_lines

from emotrace.analysis.comparison import YOURS, among_recorded, privacy_and_emotion, same_corpus, standing
from emotrace.study.results import Results


def lines_of(row: str, called: dict[str, str], errors: int, shift: float) -> tuple[list, list]:
    return utterance_lines(row, called, errors), trial_lines(row, "lazy-informed", shift)


ROWS = {"good": ({}, 1, 0.0), "bad": ({"sad": "ang", "hap": "neu"}, 5, 3.0)}
"""What rows label wrongly, words of ten that are wrong, how far target trials stand apart."""


def made_of(**rows: tuple) -> Results:
    """Results of the recordings and of copies of them."""
    parts = [lines_of(name, *known) for name, known in rows.items()]
    lines = utterance_lines("original", {}, 1) + [line for own, _ in parts for line in own]
    trials = trial_lines("original", "original", 3.0) + [line for _, own in parts for line in own]
    return results(lines, trials)


@pytest.fixture
def recorded() -> Results:
    return made_of(**ROWS)


def verdicts(joined: Results, system: str) -> dict[tuple[str, str], str]:
    table = standing(joined, [system], ["good", "bad"])
    return {(line.row, line.metric): line.verdict for line in table.itertuples()}


def test_a_system_that_is_a_recorded_row_differs_from_it_in_nothing(recorded):
    joined = among_recorded(made_of(bad=ROWS["bad"]), recorded)
    assert joined.rows == ("original", f"{YOURS}bad", "good", "bad")
    table = standing(joined, [f"{YOURS}bad"], ["bad"])
    assert (table[["estimate", "low", "high"]] == 0).all(axis=None) and set(table["verdict"]) == {"undecided"}
    assert len(table) == 4  # one attacker, two recognisers, words


def test_what_is_better_and_worse_is_said_by_the_metrics_own_direction(recorded):
    found = verdicts(among_recorded(made_of(mine=ROWS["bad"]), recorded), "mine")
    assert found["good", "WER [%]"] == found["good", "UAR, functionals + SVM [%]"] == "worse"
    assert found["good", "EER, lazy-informed [%]"] == "worse"
    found = verdicts(among_recorded(made_of(mine=ROWS["good"]), recorded), "mine")
    assert found["bad", "WER [%]"] == found["bad", "UAR, functionals + SVM [%]"] == "better"
    assert found["bad", "EER, lazy-informed [%]"] == "better"
    assert found["bad", "UAR, GE2E + SVM [%]"] == "undecided"  # that recogniser makes no mistake


def test_differences_are_those_of_the_estimates(recorded):
    joined = among_recorded(made_of(mine=ROWS["good"]), recorded)
    table = standing(joined, ["mine"], ["bad"]).set_index("metric")["estimate"]
    assert table["WER [%]"] == pytest.approx(10 - 50)
    assert table["UAR, functionals + SVM [%]"] == pytest.approx(100 - (80 + 80 + 100 + 100) / 4)


def test_other_corpora_of_the_recorded_rows_are_left_out(recorded):
    read = recorded.utterances.assign(corpus="read", word_errors=9)
    both = replace(recorded, utterances=pd.concat([recorded.utterances, read], ignore_index=True))
    joined = among_recorded(made_of(mine=ROWS["good"]), both)
    assert set(joined.utterances["corpus"]) == {"emotional"}


def test_read_speech_is_compared_with_read_speech(recorded):
    def read(results: Results) -> Results:
        tables = {name: getattr(results, name).assign(corpus="read") for name in ("utterances", "trials")}
        return replace(results, **tables)

    both = replace(
        recorded,
        utterances=pd.concat([recorded.utterances, read(recorded).utterances.assign(word_errors=9)]),
        trials=pd.concat([recorded.trials, read(recorded).trials]),
    )
    mine = read(made_of(mine=ROWS["good"]))
    assert same_corpus(mine, both) == "read" and same_corpus(made_of(mine=ROWS["good"]), both) == "emotional"
    joined = among_recorded(mine, both)
    table = standing(joined, ["mine"], ["bad"]).set_index("metric")["estimate"]
    assert table["WER [%]"] == pytest.approx(10 - 90)


def test_other_trials_are_another_corpus(recorded):
    mine = made_of(mine=ROWS["good"])
    assert same_corpus(replace(mine, trials=mine.trials.iloc[1:]), recorded) is None


def test_the_plane_has_every_row_with_both_intervals(recorded):
    joined = among_recorded(made_of(mine=ROWS["good"]), recorded)
    plane = privacy_and_emotion(joined, "functionals").set_index("row")
    assert list(plane.index) == ["original", "mine", "good", "bad"]
    assert set(plane["attacker"]) == {"lazy-informed"}
    assert plane.at["mine", "uar"] == 100 and plane.at["bad", "uar"] == pytest.approx(90)
    assert plane.at["mine", "eer"] == plane.at["good", "eer"] > plane.at["bad", "eer"]
    assert (plane["eer_low"] <= plane["eer"]).all() and (plane["uar"] <= plane["uar_high"]).all()
