"""The tables, on results whose numbers are known by construction."""

from dataclasses import replace

import frames
import pandas as pd
import pytest
from frames import trial_lines, utterance_lines

from emotrace.analysis.contrasts import COLUMNS, TableError
from emotrace.analysis.metrics import eer
from emotrace.analysis.tables import attackers_table, confusion_table, seed_spread, table2
from emotrace.study.results import Results

ROWS = ("original", "none-T1")


@pytest.fixture(scope="module")
def results() -> Results:
    utterances = utterance_lines("original", {}, 1) + utterance_lines("none-T1", {"sad": "ang", "neu": "ang"}, 3)
    trials = trial_lines("original", "original", 2.0) + trial_lines("none-T1", "ignorant", 0.0)
    return frames.results(utterances, trials + trial_lines("none-T1", "lazy-informed", 1.0))


def test_table2_has_the_measured_rows_beside_the_papers(results):
    table = table2(results)
    assert list(table["source"].unique()) == ["measured: made-up", "reported: paper"]
    measured = table[table["row"] == "none-T1"].iloc[0]
    assert measured[["sad", "neu", "ang", "hap", "uar"]].tolist() == pytest.approx([80, 80, 100, 100, 90])
    assert measured[["wer_read", "wer_emotional"]].tolist() == pytest.approx([30, 30])
    paper = table[table["source"] == "reported: paper"].set_index("row")
    assert paper.loc["ECAPA-anon-T12-soft", "uar"] == 45.19 and paper.loc["B4", "hap"] == 54.64
    assert table[list(COLUMNS)].notna().all(axis=None)


def test_every_measured_cell_lies_in_its_interval(results):
    measured = table2(results).iloc[: len(ROWS)]
    for name in COLUMNS:
        low, high = measured[f"{name}_low"], measured[f"{name}_high"]
        assert (low <= measured[name]).all() and (measured[name] <= high).all(), name


def test_the_eer_of_table2_is_the_lazy_informed_attackers(results):
    trials = results.trials
    chosen = trials[(trials["row"] == "none-T1") & (trials["attacker"] == "lazy-informed") & (trials["gender"] == "f")]
    expected = eer(chosen.loc[chosen["target"], "score"], chosen.loc[~chosen["target"], "score"])[0]
    line = table2(results).iloc[1]
    assert line["attacker"] == "lazy-informed" and line["eer_f"] == pytest.approx(100 * expected)
    assert table2(results).iloc[0]["attacker"] == "original"


def test_every_attacker_is_shown_by_gender(results):
    table = attackers_table(results)
    assert set(zip(table["row"], table["attacker"], table["gender"], strict=True)) == {
        (row, attacker, gender)
        for row, attacker in (("original", "original"), ("none-T1", "ignorant"), ("none-T1", "lazy-informed"))
        for gender in "fm"
    }


def test_the_eer_of_an_attacker_is_that_of_its_trials(results):
    for line in attackers_table(results).to_dict("records"):
        chosen = results.trials.query("row == @line['row'] and attacker == @line['attacker']")
        chosen = chosen[chosen["gender"] == line["gender"]]
        expected = eer(chosen.loc[chosen["target"], "score"], chosen.loc[~chosen["target"], "score"])[0]
        assert line["estimate"] == pytest.approx(100 * expected) and line["trials"] == len(chosen) == 320
        assert line["low"] <= line["estimate"] <= line["high"]


def test_trials_of_another_corpus_have_an_eer_of_their_own(results):
    read = results.trials.assign(corpus="read", score=-results.trials["score"])
    both = attackers_table(replace(results, trials=pd.concat([results.trials, read])))
    assert both[both["corpus"] == "emotional"].reset_index(drop=True).equals(attackers_table(results))
    assert (both.loc[both["corpus"] == "read", "estimate"] > 50).any()


def test_recalls_depend_on_the_recogniser(results):
    functionals, ge2e = (table2(results, name) for name in ("functionals", "ge2e"))
    assert functionals.at[1, "row"] == ge2e.at[1, "row"] == "none-T1"
    assert functionals.at[1, "sad"] == pytest.approx(80) and ge2e.at[1, "sad"] == pytest.approx(100)
    assert table2(results).equals(functionals), "the first of the results' recognisers"


def test_an_unknown_recogniser_is_refused(results):
    with pytest.raises(TableError, match="no column emotion_third"):
        table2(results, "third")
    with pytest.raises(TableError, match="no column emotion_third"):
        confusion_table(results, "original", "third")


def test_the_spread_over_seeds_has_every_seed_of_every_row_and_recogniser(results):
    """One of four emotions called otherwise in one of five utterances takes 5 points, two take 10."""
    lines = results.utterances.assign(
        emotion_functionals_seed1=results.utterances["emotion"],
        emotion_functionals_seed2=results.utterances["emotion_functionals"],
    )
    sad = (lines["emotion"] == "sad") & lines["utterance"].str.endswith("-0")
    lines.loc[sad, "emotion_functionals_seed2"] = "neu"
    lines.loc[lines["row"] == "original", "emotion_functionals_seed1"] = "sad"
    lines = lines.assign(emotion_ge2e_seed1=None, emotion_ge2e_seed2=None)
    table = seed_spread(frames.results(lines, results.trials)).set_index(["row", "recogniser"])
    assert list(table.index) == [(row, name) for row in ROWS for name in ("functionals", "ge2e")]
    original, none_t1 = (table.loc[(row, "functionals")] for row in ROWS)
    assert original[["seed0", "seed1", "seed2"]].tolist() == pytest.approx([100, 25, 95])
    assert none_t1[["seed0", "seed1", "seed2"]].tolist() == pytest.approx([90, 100, 90])
    assert none_t1[["min", "max", "sd"]].tolist() == pytest.approx([90, 100, (100 / 3) ** 0.5])
    trained_elsewhere = table.loc[("none-T1", "ge2e")]
    assert trained_elsewhere[["seed0", "min", "max"]].tolist() == pytest.approx([100, 100, 100])
    assert trained_elsewhere[["seed1", "seed2", "sd"]].isna().all()


def test_results_without_seeds_have_no_spread(results):
    with pytest.raises(TableError, match="no column emotion_functionals_seed1: run the rows again"):
        seed_spread(results)


def test_confusions_count_utterances(results):
    counts = confusion_table(results, "none-T1")
    assert counts.loc["sad", "ang"] == 8 and counts.loc["neu", "ang"] == 8 and counts.to_numpy().sum() == 160
    assert (confusion_table(results, "none-T1", "ge2e").to_numpy().diagonal() == 40).all()
