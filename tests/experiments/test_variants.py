"""Rows by other vocoders: each snapshot of a training at its step, two seeds beside each other."""

from dataclasses import replace

import frames
import pandas as pd
import pytest
from frames import utterance_lines

from emotrace.analysis.contrasts import metric_interval
from emotrace.experiments.variants import model_spread, training_course
from emotrace.study.results import Results
from emotrace.training.unified import JointConfig

ROWS = ("original", "unified-none-T1", "unified-none-T1@step300", "unified-none-T1@step150", "none-T1")


@pytest.fixture(scope="module")
def results() -> Results:
    """Sad is called angry in one utterance of five, more words are wrong the earlier the snapshot."""
    errors = dict(zip(ROWS, (1, 2, 3, 4, 5), strict=True))
    tables = [pd.DataFrame(utterance_lines(row, {"sad": "ang"}, errors[row])) for row in ROWS]
    return frames.results(pd.concat(tables, ignore_index=True))


def test_snapshots_come_in_the_order_of_their_steps_with_their_own_numbers_the_two_stages_first(results):
    table = training_course(results, ["uar", "sad", "wer_emotional"])
    assert set(table["row"]) == {"unified-none-T1"}
    words = table[table["metric"] == "wer_emotional"]
    assert words[["step", "estimate"]].to_numpy().tolist() == [[0, 50], [150, 40], [300, 30], [JointConfig().steps, 20]]
    sad = metric_interval(results, "unified-none-T1@step150", "sad")
    line = table[(table["metric"] == "sad") & (table["step"] == 150)].iloc[0]
    assert (line["estimate"], line["low"], line["high"]) == sad


def test_words_count_where_every_step_transcribes_them(results):
    """A step with all words wrong in utterances that another step does not transcribe."""
    lines, last = results.utterances.copy(), "unified-none-T1"
    others = lines["utterance"].str.endswith("-4")
    lines.loc[others & (lines["row"] == last), "word_errors"] = 10
    lines.loc[others & (lines["row"] == f"{last}@step150"), "word_errors"] = None
    table = training_course(replace(results, utterances=lines), ["wer_emotional"])
    assert table["estimate"].tolist() == [50, 40, 30, 20]


def test_a_study_without_unified_vocoders_has_no_course(results):
    assert training_course(replace(results, rows=("original",)), ["uar"]).empty


def test_two_seeds_are_compared_pair_by_pair_on_words_that_both_transcribe():
    """Another seed calls a fifth of the sad utterances angry; where only one transcribes, all words are wrong."""
    lines = pd.DataFrame(utterance_lines("none-T1", {}, 1) + utterance_lines("none-T1@seed1", {"sad": "ang"}, 3))
    further, second = lines["utterance"].str.endswith("-4"), lines["row"] == "none-T1@seed1"
    lines.loc[further & ~second, "word_errors"] = 10
    lines.loc[further & second, "word_errors"] = None
    table = model_spread(frames.results(lines)).set_index("metric")
    assert set(table["row"]) == {"none-T1"}
    assert set(table["seed"]) == {"seed1"}
    assert table.loc["uar", ["seed0", "other", "estimate"]].tolist() == pytest.approx([100, 95, -5])
    assert table.loc["wer_emotional", ["seed0", "other", "estimate"]].tolist() == pytest.approx([10, 30, 20])


def test_every_further_seed_of_a_row_is_a_line_and_what_was_not_measured_is_none():
    rows = ("none-T1", "none-T1@seed1", "none-T1@seed2", "ECAPA-anon-T12-soft", "none-T1@emotional")
    lines = pd.DataFrame(line for row in rows for line in utterance_lines(row, {}, 1))
    lines[["word_errors", "words"]] = lines[["word_errors", "words"]].astype(float)
    lines.loc[lines["row"] == "none-T1@seed2", "word_errors"] = None
    table = model_spread(frames.results(lines))
    assert sorted(set(zip(table["row"], table["seed"], strict=True))) == [("none-T1", "seed1"), ("none-T1", "seed2")]
    assert set(table.loc[table["seed"] == "seed2", "metric"]) == {"uar"}
