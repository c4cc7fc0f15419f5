"""The course of training: each snapshot at its step, with the numbers of its own row."""

import pandas as pd
import pytest
from test_tables import Results, utterance_lines

from emotrace.experiments.variants import adversarial_change, training_course
from emotrace.analysis.tables import metric_interval
from emotrace.training.unified import SMALL

ROWS = ("original", "unified-none-T1", "unified-none-T1@step1000", "unified-none-T1@step300", "none-T1@seed1")


@pytest.fixture(scope="module")
def results() -> Results:
    """Sad is called angry in one utterance of five, more words are wrong the earlier the snapshot."""
    errors = dict(zip(ROWS, (1, 2, 3, 4, 5), strict=True))
    tables = [pd.DataFrame(utterance_lines(row, {"sad": "ang"}, errors[row])) for row in ROWS]
    return Results(pd.concat(tables, ignore_index=True), pd.DataFrame(), ROWS)


def test_snapshots_come_in_the_order_of_their_steps_with_their_own_numbers(results):
    found = training_course(results, ["uar", "sad", "wer_emotional"])
    assert set(found["row"]) == {"unified-none-T1"}
    words = found[found["metric"] == "wer_emotional"]
    assert words[["step", "estimate"]].to_numpy().tolist() == [[300, 40], [1000, 30], [SMALL.steps, 20]]
    sad = metric_interval(results, "unified-none-T1@step300", "sad")
    line = found[(found["metric"] == "sad") & (found["step"] == 300)].iloc[0]
    assert (line["estimate"], line["low"], line["high"]) == sad


def test_words_count_where_every_step_transcribes_them(results):
    """A step with all words wrong in utterances that another step does not transcribe."""
    lines, last = results.utterances.copy(), "unified-none-T1"
    others = lines["utterance"].str.endswith("-4")
    lines.loc[others & (lines["row"] == last), "word_errors"] = 10
    lines.loc[others & (lines["row"] == f"{last}@step300"), "word_errors"] = None
    found = training_course(Results(lines, results.trials, ROWS), ["wer_emotional"])
    assert found["estimate"].tolist() == [40, 30, 20]


def test_a_study_without_unified_vocoders_has_no_course(results):
    assert training_course(Results(results.utterances, results.trials, ("original",)), ["uar"]).empty


def test_the_change_by_the_discriminators_is_that_of_the_end_and_the_snapshot_before_them(results):
    """At the end sad is called angry in one utterance of five, before not at all."""
    rows = ("unified-none-T1", f"unified-none-T1@step{SMALL.mel_only}", "unified-log-mel")
    lines = [
        line
        for row, wrong in zip(rows, ({"sad": "ang"}, {}, {}), strict=True)
        for line in utterance_lines(row, wrong, 1)
    ]
    found = adversarial_change(Results(pd.DataFrame(lines), pd.DataFrame(), rows), ["sad", "uar", "hap"])
    assert found[["row", "metric"]].to_numpy().tolist() == [["unified-none-T1", name] for name in ("sad", "uar", "hap")]
    assert found["estimate"].tolist() == pytest.approx([-20, -5, 0])
    assert adversarial_change(Results(results.utterances, results.trials, ROWS)).empty, "no such snapshot"
