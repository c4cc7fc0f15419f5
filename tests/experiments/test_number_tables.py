"""The tables of every number: which lines there are, and that the recorded ones are of the results at hand."""

from dataclasses import replace

import frames
import pandas as pd
import pytest
from frames import trial_lines, utterance_lines

from emotrace.analysis.contrasts import metric_interval
from emotrace.analysis.seeds import Seeds
from emotrace.engine.runner import RunError, state_of
from emotrace.experiments.numbers import CELLS, NumbersWork, cells, read_tests, run_numbers, shares
from emotrace.study.groups import lattice
from emotrace.study.profiles import phantom


def test_recorded_numbers_are_of_the_recorded_rows_and_of_this_code():
    assert state_of(NumbersWork(phantom())).state == "done"
    assert not run_numbers(phantom())


def test_a_cell_for_every_metric_recogniser_attacker_and_gender():
    lines = [*utterance_lines("original", {"sad": "ang"}, 1), *utterance_lines("none-T1", {}, 3)]
    trials = trial_lines("original", "original", 2.0) + trial_lines("none-T1", "ignorant", 1.0)
    results = frames.results(lines, trials)
    table = cells(results, {"emotional": "RAVDESS"})
    assert tuple(table) == CELLS and set(table["corpus"]) == {"RAVDESS"}
    counts = table.groupby(["row", "metric"]).size()
    assert (counts.drop("wer_read", level=1).drop("wer_emotional", level=1) == 2).all()  # recognisers, or genders
    uar = table.query("row == 'original' and metric == 'uar' and recogniser == 'functionals'").iloc[0]
    assert tuple(uar[["estimate", "low", "high"]]) == pytest.approx(metric_interval(results, "original", "uar"))
    assert (uar["speakers"], uar["n"]) == (8, 160)
    assert set(table.dropna(subset=["attacker"])["attacker"]) == {"original", "ignorant"}


def test_another_corpus_and_what_was_not_measured():
    lines = pd.DataFrame(utterance_lines("original", {}, 1))
    other = lines.assign(corpus="acted", word_errors=None, emotion_ge2e="sad")
    table = cells(frames.results(pd.concat([lines, other])), {"emotional": "RAVDESS", "acted": "nEMO"})
    nemo = table[(table["corpus"] == "nEMO") & (table["recogniser"] == "ge2e")].set_index("metric")["estimate"]
    assert nemo.to_dict() == {"sad": 100, "neu": 0, "ang": 0, "hap": 0, "uar": 25}
    assert set(table.loc[table["metric"].isin(["wer_emotional"]), "corpus"]) == {"RAVDESS"}


def test_attributions_are_there_for_encoders_whose_rows_are():
    rows = [*(row.name for row in lattice("whisper")), "official-control", "log-mel"]
    results = frames.results([line for row in rows for line in utterance_lines(row, {}, 1)])
    table = shares(results, {"emotional": "RAVDESS"}, Seeds())
    assert set(table["encoder"]) == {"Whisper base"} and set(table["recogniser"]) == {"functionals", "ge2e"}
    decisions = list(table["decision"].unique())
    assert decisions[:3] == ["vocoder", "acoustic model", "representation"] and len(table) == 2 * 8
    assert shares(replace(results, rows=results.rows[:4]), {"emotional": "RAVDESS"}, Seeds()).empty


def test_without_results_there_are_no_numbers(tmp_path):
    empty = replace(phantom(), results=tmp_path)
    with pytest.raises(RunError, match="no row of profile phantom is recorded; run: emotrace run --profile phantom"):
        NumbersWork(empty)
    with pytest.raises(RunError, match="run: emotrace numbers --profile phantom"):
        read_tests(empty)
