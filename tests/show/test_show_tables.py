"""The readable tables, on studies made by hand whose numbers can be counted."""

import re

import pandas as pd
import pytest
from frames import results, trial_lines, utterance_lines

from emotrace.analysis.tables import table2
from emotrace.show import tables
from emotrace.show.pages import compare, utterances_beside
from emotrace.study.results import Results

KURTOSIS = {"sad": 1.0, "neu": 2.0, "ang": 4.0, "hap": 3.0}


@pytest.fixture
def studies() -> dict[str, Results]:
    called = {"original": "sad", "ECAPA-anon-T12-soft": "ang", "none-T3": "neu"}
    lines = pd.DataFrame(line for row, emotion in called.items() for line in utterance_lines(row, {"sad": emotion}, 1))
    lines["kurtosis"] = lines["emotion"].map(KURTOSIS)
    return {"phantom (synthetic speech)": results(lines, source="phantom", n_bootstrap=50)}


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ((50.14, 45.0, 55.25), "50.1 [45.0, 55.2]"),
        ((-5.0, -10.0, 0.5, "+.1f"), "-5.0 [-10.0, +0.5]"),
        ((0.875, 0.8, 0.9, ".2f", " x original"), "0.88 x original [0.80, 0.90]"),
        ((3.42, float("nan"), float("nan")), "3.42"),
        ((float("nan"), float("nan"), float("nan")), ""),
    ],
)
def test_numbers_become_text_at_the_last_step(cell, text):
    assert tables.interval_text(*cell) == text


def test_metrics_have_the_names_that_readers_expect():
    names = ("eer_f", "wer_read", "uar", "sad_called_ang")
    assert [tables.heading(name) for name in names] == ["EER F", "WER read", "UAR", "sad called ang"]


def test_the_display_shows_intervals_for_ours_and_plain_numbers_for_the_papers():
    lines = utterance_lines("original", {}, 1) + utterance_lines("none-T1", {"sad": "ang", "neu": "ang"}, 3)
    trials = trial_lines("original", "original", 2.0) + trial_lines("none-T1", "lazy-informed", 1.0)
    shown = tables.table2_display(table2(results(lines, trials))).set_index(["row", "source"])
    assert shown.loc[("none-T1", "measured: made-up"), "UAR [%]"] == "90.0 [90.0, 90.0]"
    assert shown.loc[("none-T1", "reported: paper"), "UAR [%]"] == "64.78"
    assert list(shown.columns) == [
        *("attacker", "EER F [%]", "EER M [%]", "WER read [%]", "WER emotional [%]"),
        *("sad [%]", "neu [%]", "ang [%]", "hap [%]", "UAR [%]"),
    ]


def test_verdicts_show_sign_and_interval(studies):
    shown = tables.verdicts(compare(studies, [("none-T3", "original")], ["sad"])).data
    assert shown.at[0, "measured"].startswith("-20.0")
    assert shown.at[0, "speech"] == "phantom"


def test_order_of_the_medians(studies):
    table = tables.emotion_order(utterances_beside(studies), ["kurtosis"]).data
    assert set(table["kurtosis"]) == {"ang > hap > neu > sad"}


def test_cells_are_broken_before_the_interval():
    shown = tables.readable(pd.DataFrame({"sad [%]": ["50.0 [40.0, 60.0]", "3.42"]})).data
    assert list(shown["sad [%]"]) == ["50.0<br><small>[40.0, 60.0]</small>", "3.42"]


def test_shifts_of_a_system_stand_in_one_line_and_are_coloured_by_their_sign():
    line = {"source": "measured", "corpus": "RAVDESS", "recogniser": "GE2E", "original": 60.0}
    shifts = pd.DataFrame(
        line | {"system": system, "emotion": emotion, "shift": shift, "low": shift - 5, "high": shift + 5}
        for system, values in {"McAdams": (-40.4, 12.0), "none-T1": (0.0, -7.0)}.items()
        for emotion, shift in zip(("sad", "neu"), values, strict=True)
    )
    shown = tables.shift_table(shifts)
    assert list(shown.data.columns) == ["system", "sad", "neu"], "what does not differ is left out"
    assert list(shown.data["sad"]) == ["-40.4<br><small>[-45.4, -35.4]</small>", "+0.0<br><small>[-5.0, +5.0]</small>"]
    styles = re.findall(r"--shift: ?(-?\d+)", shown.to_html())
    assert styles == ["-40", "12", "0", "-7"]
