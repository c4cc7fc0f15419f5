"""Shifts of recalls, measured and reported, and what only sounds unfamiliar: known by construction."""

import frames
import pandas as pd
import pytest
from frames import utterance_lines

from emotrace.analysis.bias import SHIFTS, lost_most, recall_shifts, reported_shifts, unfamiliar_sound
from emotrace.analysis.contrasts import EMOTIONS


@pytest.fixture(scope="module")
def results():
    """Of none-T1 one sad utterance in five is called angry; a matched recogniser calls it sad again."""
    lines = pd.DataFrame(utterance_lines("original", {}, 1) + utterance_lines("none-T1", {"sad": "ang"}, 1))
    return frames.results(lines.assign(emotion_functionals_matched=lines["emotion"]))


def test_shifts_are_differences_from_the_recordings(results):
    table = recall_shifts(results, ["none-T1"], "made-up").query("recogniser == 'functionals'").set_index("emotion")
    assert table["shift"].to_dict() == pytest.approx({"sad": -20, "neu": 0, "ang": 0, "hap": 0})
    assert set(table["original"]) == {100} and (table["low"] <= table["shift"]).all()


def test_reported_shifts_are_those_that_were_printed():
    """The paper's 3.42 of sad against 72.58; VoicePrivacy 2026's BM1, 12.830 of angry against 83.396."""
    table = reported_shifts().set_index(["source", "system", "emotion"])
    assert tuple(reported_shifts()) == SHIFTS and table["low"].isna().all()
    assert table.at[("the paper", "ECAPA-anon-T12-soft", "sad"), "shift"] == pytest.approx(3.42 - 72.58)
    assert table.at[("VoicePrivacy 2026", "BM1", "ang"), "shift"] == pytest.approx(12.830 - 83.396)
    assert table.at[("VoicePrivacy 2024", "B4", "hap"), "shift"] == pytest.approx(51.639 - 67.1912)
    assert table.at[("VoicePrivacy 2026", "B2", "sad"), "original"] == pytest.approx(72.5706)
    assert (table.groupby(level=[0, 1]).size() == len(EMOTIONS)).all()
    assert {"B3", "B5", "BM1", "BM2", "BM3"} <= set(table.loc["VoicePrivacy 2026"].index.get_level_values(0))


def test_who_was_trained_on_iemocap_loses_sad_most_and_who_was_not_loses_angry():
    """As reported: of 10 systems of the paper, 6 and 3 of VoicePrivacy 2024 and 2026, and 3 of its second track."""
    counts = lost_most(reported_shifts()).set_index("corpus")[list(EMOTIONS)]
    assert counts.loc["IEMOCAP"].tolist() == [19, 0, 0, 0] and counts.loc["emodata"].tolist() == [0, 0, 3, 0]


def test_what_a_matched_recogniser_recognises_was_only_unfamiliar(results):
    table = unfamiliar_sound(results, ["none-T1"])
    line = table.iloc[0]
    assert len(table) == 1 and line["recogniser"] == "functionals"
    assert (line["lost"], line["unfamiliar"]) == pytest.approx((5, 5))


def test_rows_whose_training_speech_nobody_rendered_are_left_out(results):
    lines = results.utterances.copy()
    lines.loc[lines["row"] == "none-T1", "emotion_functionals_matched"] = None
    assert unfamiliar_sound(frames.results(lines), ["none-T1"]).empty
    assert unfamiliar_sound(frames.results(lines.drop(columns="emotion_functionals_matched")), ["none-T1"]).empty
