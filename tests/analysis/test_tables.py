"""The tables, on results whose numbers are known by construction."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotrace.analysis.metrics import eer
from emotrace.experiments.cues import CUES, cue_accuracy, cue_retention
from emotrace.study.profiles import CUE_MEASURES, Corpus, Profile
from emotrace.analysis.tables import (
    COLUMNS,
    TableError,
    attackers_table,
    confusion_table,
    differences,
    metric,
    metric_interval,
    recalls_table,
    seed_spread,
    table2,
    table2_display,
)

EMOTIONS = ("sad", "neu", "ang", "hap")
SPEAKERS = dict(zip("abcdefgh", "ffffmmmm", strict=True))
ROWS = ("original", "none-T1")


@dataclass
class Results:
    """What the tables read of a study."""

    utterances: pd.DataFrame
    trials: pd.DataFrame
    rows: tuple[str, ...] = ROWS
    seed: int = 0
    n_bootstrap: int = 200
    profile: Profile = field(default_factory=lambda: Profile("made-up", (), Path("work"), Path("results")))


def utterance_lines(row: str, called: dict[str, str], errors: int) -> list[dict]:
    """Five utterances of each emotion and speaker; the first of each five is called as `called` says."""
    return [
        {
            **{"row": row, "corpus": "emotional", "utterance": f"{s}-{emotion}-{n}", "speaker": s, "gender": gender},
            **{"emotion": emotion, "fold": "1" if s in "aceg" else "2", "words": 10, "word_errors": errors},
            "ser": called.get(emotion, emotion) if n == 0 else emotion,
            **{"ser_second": emotion, "centroid_hz": 1000.0 + 100 * errors},
        }
        for s, gender in SPEAKERS.items()
        for emotion in EMOTIONS
        for n in range(5)
    ]


def trial_lines(row: str, attacker: str, shift: float) -> list[dict]:
    rng = np.random.default_rng(len(attacker))
    return [
        {
            **{"row": row, "attacker": attacker, "speaker": claimed, "trial_speaker": speaking, "gender": gender},
            **{"utterance": f"{speaking}-neu-{n}", "target": claimed == speaking},
            "score": rng.normal() + shift * (claimed == speaking),
        }
        for claimed, gender in SPEAKERS.items()
        for speaking in SPEAKERS
        if SPEAKERS[speaking] == gender
        for n in range(20)
    ]


@pytest.fixture(scope="module")
def results() -> Results:
    utterances = utterance_lines("original", {}, 1) + utterance_lines("none-T1", {"sad": "ang", "neu": "ang"}, 3)
    trials = trial_lines("original", "original", 2.0) + trial_lines("none-T1", "ignorant", 0.0)
    return Results(pd.DataFrame(utterances), pd.DataFrame(trials + trial_lines("none-T1", "lazy-informed", 1.0)))


def test_table2_has_ours_beside_the_papers(results):
    table = table2(results)
    assert list(table["source"].unique()) == ["measured: made-up", "reported: paper"]
    ours = table[table["row"] == "none-T1"].iloc[0]
    assert ours[["sad", "neu", "ang", "hap", "uar"]].tolist() == pytest.approx([80, 80, 100, 100, 90])
    assert ours[["wer_read", "wer_emotional"]].tolist() == pytest.approx([30, 30])
    paper = table[table["source"] == "reported: paper"].set_index("row")
    assert paper.loc["ECAPA-anon-T12-soft", "uar"] == 45.19 and paper.loc["B4", "hap"] == 54.64
    assert table[list(COLUMNS)].notna().all(axis=None)


def test_every_measured_cell_lies_in_its_interval(results):
    ours = table2(results).iloc[: len(ROWS)]
    for name in COLUMNS:
        assert (ours[f"{name}_low"] <= ours[name]).all() and (ours[name] <= ours[f"{name}_high"]).all(), name


def test_the_eer_of_table2_is_the_lazy_informed_attackers(results):
    trials = results.trials
    own = trials[(trials["row"] == "none-T1") & (trials["attacker"] == "lazy-informed") & (trials["gender"] == "f")]
    expected = eer(own.loc[own["target"], "score"], own.loc[~own["target"], "score"])[0]
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


def test_the_display_shows_intervals_for_ours_and_plain_numbers_for_the_papers(results):
    shown = table2_display(table2(results)).set_index(["row", "source"])
    assert shown.loc[("none-T1", "measured: made-up"), "UAR [%]"] == "90.0 [90.0, 90.0]"
    assert shown.loc[("none-T1", "reported: paper"), "UAR [%]"] == "64.78"
    assert list(shown.columns) == [
        *("attacker", "EER F [%]", "EER M [%]", "WER read [%]", "WER emotional [%]"),
        *("sad [%]", "neu [%]", "ang [%]", "hap [%]", "UAR [%]"),
    ]


def test_recalls_depend_on_the_recogniser(results):
    egemaps, ge2e = (recalls_table(results, name).set_index("row") for name in ("ser", "ser_second"))
    assert egemaps.loc["none-T1", "sad"] == pytest.approx(80) and ge2e.loc["none-T1", "sad"] == pytest.approx(100)


def test_the_spread_over_seeds_has_every_seed_of_every_row_and_recogniser(results):
    """One of four emotions called otherwise in one of five utterances takes 5 points, two take 10."""
    lines = results.utterances.assign(ser_seed1=results.utterances["emotion"], ser_seed2=results.utterances["ser"])
    sad = (lines["emotion"] == "sad") & lines["utterance"].str.endswith("-0")
    lines.loc[sad, "ser_seed2"] = "neu"
    lines.loc[lines["row"] == "original", "ser_seed1"] = "sad"
    lines = lines.assign(ser_second_seed1=None, ser_second_seed2=None)
    table = seed_spread(Results(lines, results.trials)).set_index(["row", "recogniser"])
    assert list(table.index) == [(row, name) for row in ROWS for name in ("ser", "ser_second")]
    assert table.loc[("original", "ser"), ["seed0", "seed1", "seed2"]].tolist() == pytest.approx([100, 25, 95])
    assert table.loc[("none-T1", "ser"), ["seed0", "seed1", "seed2"]].tolist() == pytest.approx([90, 100, 90])
    assert table.loc[("none-T1", "ser"), ["min", "max", "sd"]].tolist() == pytest.approx([90, 100, (100 / 3) ** 0.5])
    trained_elsewhere = table.loc[("none-T1", "ser_second")]
    assert trained_elsewhere[["seed0", "min", "max"]].tolist() == pytest.approx([100, 100, 100])
    assert trained_elsewhere[["seed1", "seed2", "sd"]].isna().all()


def test_a_seed_of_a_recogniser_is_a_recogniser(results):
    seeded = Results(results.utterances.assign(ser_seed1=results.utterances["emotion"]), results.trials)
    assert metric_interval(seeded, "none-T1", "uar", recogniser="ser_seed1").estimate == pytest.approx(100)
    assert metric_interval(seeded, "none-T1", "uar").estimate == pytest.approx(90)
    with pytest.raises(TableError, match="ser_seed9"):
        metric("uar", "ser_seed9")


def test_results_without_seeds_have_no_spread(results):
    with pytest.raises(TableError, match="no column ser_seed1: run the rows again"):
        seed_spread(results)


def test_confusions_count_utterances(results):
    counts = confusion_table(results, "none-T1")
    assert counts.loc["sad", "ang"] == 8 and counts.loc["neu", "ang"] == 8 and counts.to_numpy().sum() == 160


def test_differences_are_paired(results):
    table = differences(results, [("none-T1", "original")], "wer_emotional").iloc[0]
    assert table[["estimate", "low", "high"]].tolist() == pytest.approx([20, 20, 20])
    assert table["pair"] == "none-T1 - original"


def test_acoustic_metrics_keep_their_unit(results):
    assert metric_interval(results, "none-T1", "centroid_hz").estimate == pytest.approx(1300)


def test_a_read_corpus_of_one_speaker_is_resampled_by_utterance(results):
    read = pd.DataFrame(utterance_lines("original", {}, 2)).query("speaker == 'a'").assign(corpus="read")
    read["word_errors"] = [0, 4] * 10
    both = Results(pd.concat([results.utterances, read]), results.trials, rows=("original",))
    interval = metric_interval(both, "original", "wer_read")
    assert interval.estimate == pytest.approx(20) and interval.low < 20 < interval.high


def test_unknown_metrics_rows_and_recognisers_are_refused(results):
    with pytest.raises(TableError, match="unknown metric 'acc'; there are eer_f"):
        metric_interval(results, "original", "acc")
    with pytest.raises(TableError, match="unknown recogniser"):
        recalls_table(results, "ser_third")
    with pytest.raises(TableError, match="row none-T7: no results for uar"):
        metric_interval(results, "none-T7", "uar")


@pytest.fixture
def isolation(tmp_path) -> Results:
    """An isolation set whose F0 range the row halves and whose F0 level it keeps."""
    rng = np.random.default_rng(0)
    truth = pd.DataFrame(
        {
            "utterance": [f"{s}-{n}" for s in SPEAKERS for n in range(6)],
            "speaker": [s for s in SPEAKERS for _ in range(6)],
        }
    ).assign(f0_mean_hz=rng.uniform(100, 200, 48), f0_range_st=rng.uniform(4, 10, 48))
    (tmp_path / "f0").mkdir()
    truth.to_csv(tmp_path / "f0" / "truth.csv", index=False)
    original = truth.assign(row="original", corpus="f0")
    halved = original.assign(row="none-T1", f0_range_st=truth["f0_range_st"] / 2)
    profile = Profile("made-up", (Corpus("f0", tmp_path / "f0", CUE_MEASURES),), tmp_path, tmp_path)
    return Results(pd.concat([original, halved], ignore_index=True), pd.DataFrame(), profile=profile)


def test_a_cue_is_retained_as_far_as_it_follows_the_truth(isolation, monkeypatch):
    monkeypatch.setattr("emotrace.experiments.cues.CUES", [cue for cue in CUES if cue.corpus == "f0"])
    table = cue_retention(isolation).set_index(["row", "cue"])
    assert table.loc[("original", "F0 range"), "estimate"] == pytest.approx(1)
    assert table.loc[("none-T1", "F0 range"), ["estimate", "retained"]].tolist() == pytest.approx([0.5, 0.5])
    assert table.loc[("none-T1", "F0 level"), ["low", "estimate", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert cue_accuracy(isolation)["error"].abs().max() == pytest.approx(0, abs=1e-9)


def test_a_cue_that_is_left_in_one_speaker_only_is_not_measurable(isolation, monkeypatch):
    monkeypatch.setattr("emotrace.experiments.cues.CUES", [cue for cue in CUES if cue.corpus == "f0"])
    lines = isolation.utterances
    lost = (lines["row"] == "none-T1") & (lines["speaker"] != "a")
    lines.loc[lost, "f0_mean_hz"] = np.nan
    table = cue_retention(isolation).set_index(["row", "cue"])
    assert table.loc[("none-T1", "F0 level"), ["low", "estimate", "high", "retained"]].isna().all()
    assert table.loc[("original", "F0 level"), "estimate"] == pytest.approx(1)
