"""The gates, on results whose ratios are known by construction."""

from dataclasses import replace

import frames
import numpy as np
import pandas as pd
import pytest
from frames import trial_lines, utterance_lines

from emotrace.analysis.bootstrap import Part, combination, ratio
from emotrace.analysis.contrasts import TableError, metric_interval
from emotrace.analysis.gates import F0_ERROR, GATES, Gate, gate_table, measured
from emotrace.analysis.statistics import Mean
from emotrace.study.results import Results

ROWS = ("original", "official-control", "log-mel", "none-T1")
ERRORS = (2, 2, 3, 2)  # of ten words
CALLED = ({}, {"sad": "ang"}, {"sad": "ang", "neu": "ang", "hap": "neu"}, {})


@pytest.fixture(scope="module")
def results() -> Results:
    rng = np.random.default_rng(0)
    tables = [
        pd.DataFrame(utterance_lines(row, called, errors))
        for row, called, errors in zip(ROWS, CALLED, ERRORS, strict=True)
    ]
    for table in tables:
        table["f0_mean_hz"] = 150.0 + 10 * (table["emotion"] == "hap")
    tables[2]["f0_mean_hz"] *= rng.permutation(np.linspace(0.9, 1.02, len(tables[2])))  # errors from 0 to 10 %
    read = [table.assign(corpus="read", emotion=None, utterance="read-" + table["utterance"]) for table in tables]
    utterances = pd.concat([*tables, *read], ignore_index=True)
    return frames.results(utterances, trial_lines("original", "original", 5.0))


def gates(results: Results, row: str) -> dict[tuple[str, str], pd.Series]:
    """The judged gates of a row by metric and recogniser."""
    table = gate_table(results)
    return {(line["metric"], line["recogniser"]): line for _, line in table[table["row"] == row].iterrows()}


def test_every_gate_of_rows_at_hand_is_judged(results):
    of_emotion = sum(gate.metric == "uar" for gate in GATES)
    assert len(gate_table(results)) == len(GATES) + of_emotion == 14, "one line for each recogniser"
    only = replace(results, rows=("original", "none-T1"))
    assert set(gate_table(only)["row"]) == {"original", "none-T1"}


def test_relative_gates_divide_by_the_original(results):
    control, log_mel = gates(results, "official-control"), gates(results, "log-mel")
    assert control["uar", "functionals"]["estimate"] == pytest.approx(0.95)
    assert control["wer_read", ""]["estimate"] == pytest.approx(1) and control["wer_read", ""]["met"]
    assert log_mel["uar", "functionals"]["estimate"] == pytest.approx(0.85)
    assert log_mel["uar", "ge2e"][["estimate", "low", "high", "met", "surely"]].tolist() == [1, 1, 1, True, True]
    words = log_mel["wer_emotional", ""]
    assert words["estimate"] == pytest.approx(1.5) and not words["met"] and words["surely"]
    assert (words["wanted"], words["unit"]) == ("at most 1.4", "x original")


def test_gates_of_the_recordings_are_the_tables_numbers(results):
    found = gates(results, "original")
    assert tuple(found["eer_f", ""][["estimate", "low", "high"]]) == metric_interval(results, "original", "eer_f")
    assert found["uar", "ge2e"]["estimate"] == 100 and found["uar", "ge2e"]["unit"] == "%"


def test_the_error_of_f0_is_the_median_over_utterances(results):
    emotional = results.utterances[results.utterances["corpus"] == "emotional"]
    resynthesised = emotional[emotional["row"] == "log-mel"]["f0_mean_hz"].to_numpy()
    original = emotional[emotional["row"] == "original"]["f0_mean_hz"].to_numpy()
    line = gates(results, "log-mel")[F0_ERROR, ""]
    assert line["estimate"] == pytest.approx(np.median(100 * np.abs(resynthesised / original - 1)), abs=0.1)
    assert line["low"] < line["estimate"] < line["high"] and not line["met"]
    assert measured(results, Gate("none-T1", F0_ERROR, 3, relative=False)) == (0, 0, 0)
    voiceless = results.utterances.assign(f0_mean_hz=np.nan)
    with pytest.raises(TableError, match="no utterance of log-mel has an F0"):
        measured(replace(results, utterances=voiceless), Gate("log-mel", F0_ERROR, 3, relative=False))


def test_where_there_is_nothing_to_divide_by_a_gate_is_undecided(results):
    faultless = results.utterances.assign(word_errors=0)
    table = gate_table(replace(results, utterances=faultless))
    words = table[table["metric"].str.startswith("wer")]
    assert len(words) == 5 and words["estimate"].isna().all() and set(words["met"]) == {None}
    assert not words["surely"].any() and table["met"].notna().sum() == 14 - 5


def test_a_ratio_is_drawn_as_the_difference_is():
    """Above is a constant multiple in each speaker, so every draw has the same ratio though the parts vary."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"speaker": list("aabbccdd"), "x": rng.uniform(1, 5, 8)})
    double = frame.assign(x=2 * frame["x"])
    above, below = Part(1.0, double, Mean("x")), Part(1.0, frame, Mean("x"))
    assert ratio(above, below) == pytest.approx((2, 2, 2))
    difference = combination([above, Part(-2.0, frame, Mean("x"))])
    assert difference == pytest.approx((0, 0, 0), abs=1e-12)
    other = frame.assign(x=rng.uniform(1, 5, 8))
    varied = ratio(Part(1.0, other, Mean("x")), below)
    assert varied.estimate == pytest.approx(other["x"].mean() / frame["x"].mean()) and varied.low < varied.high


def test_whatever_recognisers_the_results_have_must_reach_the_limit(results):
    lines = results.utterances
    alone = replace(results, utterances=lines.assign(emotion_egemaps=lines["emotion_ge2e"]), recognisers=("egemaps",))
    table = gate_table(alone)
    assert set(table.loc[table["metric"] == "uar", "recogniser"]) == {"egemaps"}
