"""Metrics of rows and their weighted sums, on results whose numbers are known by construction."""

import frames
import numpy as np
import pandas as pd
import pytest
from frames import trial_lines, utterance_lines

from emotrace.analysis.contrasts import (
    Contrast,
    TableError,
    Term,
    differences,
    metric,
    metric_interval,
    metric_ratio,
    uar_change,
)
from emotrace.study.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    utterances = utterance_lines("original", {}, 1) + utterance_lines("none-T1", {"sad": "ang", "neu": "ang"}, 3)
    return frames.results(utterances, trial_lines("original", "original", 2.0))


def test_a_seed_of_a_recogniser_has_its_own_predictions(results):
    seeded = frames.results(results.utterances.assign(emotion_functionals_seed1=results.utterances["emotion"]))
    assert metric_interval(seeded, "none-T1", "uar", "functionals", seed=1).estimate == pytest.approx(100)
    assert metric_interval(seeded, "none-T1", "uar", seed=1).estimate == pytest.approx(100)
    assert metric_interval(seeded, "none-T1", "uar").estimate == pytest.approx(90)
    with pytest.raises(TableError, match="no column emotion_functionals_seed9"):
        metric_interval(seeded, "none-T1", "uar", seed=9)


def test_differences_are_paired(results):
    line = differences(results, [("none-T1", "original")], "wer_emotional").iloc[0]
    assert line[["estimate", "low", "high"]].tolist() == pytest.approx([20, 20, 20])
    assert line[["first", "second", "metric"]].tolist() == ["none-T1", "original", "wer_emotional"]


def test_a_contrast_is_the_weighted_sum_of_its_metrics(results):
    """1.5 times 90 % minus half of 100 %; and two metrics of one row."""
    half = Contrast.of("uar", {"none-T1": 1.5, "original": -0.5})
    assert half.interval(results).estimate == pytest.approx(1.5 * 90 - 50) and half.rows == {"none-T1", "original"}
    assert half.interval(results, "ge2e").estimate == pytest.approx(100)
    mixed = Contrast((Term("none-T1", "wer_emotional"), Term("none-T1", "sad", -0.25)))
    assert mixed.interval(results).estimate == pytest.approx(30 - 20)


def test_a_change_between_rows_and_recognisers_is_the_difference_of_their_uar(results):
    found = uar_change(results, ("original", "ge2e"), ("none-T1", "functionals"))
    first = metric_interval(results, "original", "uar", "ge2e").estimate
    assert found.estimate == pytest.approx(first - metric_interval(results, "none-T1", "uar").estimate) and found[0] > 0
    same = uar_change(results, ("none-T1", "functionals"), ("none-T1", "functionals"))
    assert tuple(same) == (0.0, 0.0, 0.0), "drawn together"


def test_a_ratio_is_that_of_the_metrics(results):
    assert metric_ratio(results, "none-T1", "original", "wer_emotional") == pytest.approx((3, 3, 3))
    assert metric_ratio(results, "none-T1", "original", "uar").estimate == pytest.approx(0.9)
    assert metric_ratio(results, "none-T1", "original", "uar", "ge2e") == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sad_called_ang", 20),
        ("hap_called_ang", 0),
        ("other_called_ang", 100 * 16 / 120),
        ("recall_spread", 10),
        ("centroid_hz", 1300),
    ],
)
def test_further_metrics_have_their_names_and_units(results, name, value):
    assert metric_interval(results, "none-T1", name).estimate == pytest.approx(value)


def test_an_eer_is_in_percent_and_of_one_gender(results):
    women, men = (metric_interval(results, "original", name) for name in ("eer_f", "eer_m"))
    assert 5 < women.estimate < 30 and 5 < men.estimate < 30 and women != men


def test_the_strongest_attacker_is_the_semi_informed_one_where_it_was_tried(results):
    """It separates every target trial from the others; the lazy-informed one does not."""
    lazy = results.trials[results.trials["row"] == "original"].assign(row="none-T1", attacker="lazy-informed")
    semi = lazy.assign(attacker="semi-informed", score=lazy["score"] + 3 * lazy["target"])
    tried = frames.results(results.utterances, pd.concat([results.trials, lazy, semi]))
    weak, strong, untried = (
        metric_interval(study, "none-T1", name).estimate
        for study, name in (
            (tried, "eer_f"),
            (tried, "eer_strongest_f"),
            (frames.results(results.utterances, pd.concat([results.trials, lazy])), "eer_strongest_f"),
        )
    )
    assert strong == 0 < weak == untried


def test_a_quantile_over_frames_is_that_of_the_frames(results):
    """All frames of an utterance in one bin: of sad speech in the first, of angry speech in the last."""
    from emotrace.evaluation.spectrum import CENTROID_EDGES

    lines, bins = results.utterances, len(CENTROID_EDGES) - 1
    place = lines["emotion"].map({"sad": 0, "neu": 0, "ang": bins - 1, "hap": bins - 1})
    counts = frames.results(lines.assign(centroid_histogram=list(np.eye(bins, dtype=int)[place])))
    low, high = (metric_interval(counts, "none-T1", f"centroid_median_{name}").estimate for name in ("sad", "ang"))
    assert CENTROID_EDGES[0] < low < CENTROID_EDGES[1] and CENTROID_EDGES[-2] < high < CENTROID_EDGES[-1]
    top = metric_interval(counts, "none-T1", "centroid_p99").estimate
    assert CENTROID_EDGES[-2] < top < CENTROID_EDGES[-1]
    with pytest.raises(TableError, match="no column kurtosis_histogram"):
        metric_interval(counts, "none-T1", "kurtosis_p99")


def test_a_read_corpus_of_one_speaker_is_resampled_by_utterance(results):
    read = pd.DataFrame(utterance_lines("original", {}, 2)).query("speaker == 'a'").assign(corpus="read")
    read["word_errors"] = [0, 4] * 10
    both = frames.results(pd.concat([results.utterances, read]), results.trials)
    interval = metric_interval(both, "original", "wer_read")
    assert interval.estimate == pytest.approx(20) and interval.low < 20 < interval.high


def test_a_feature_of_read_speech_is_of_the_corpus_on_which_it_was_measured(results):
    read, other = (results.utterances.assign(corpus=name) for name in ("read", "read-other"))
    read["centroid_hz"], other["centroid_hz"] = np.nan, other["centroid_hz"] + 500
    lines = pd.concat([results.utterances, read, other])
    found = metric_interval(frames.results(lines, results.trials), "original", "centroid_hz_read").estimate
    assert found == pytest.approx(metric_interval(results, "original", "centroid_hz").estimate + 500)
    with pytest.raises(TableError, match="no results for centroid_hz_read"):
        metric_interval(results, "original", "centroid_hz_read")


def test_unknown_metrics_rows_and_recognisers_are_refused(results):
    for name in ("acc", "sad_called_calm", "calm_called_sad", "eer_x", "centroid"):
        with pytest.raises(TableError, match=f"unknown metric '{name}'; there are eer_f"):
            metric(name)
    with pytest.raises(TableError, match="unknown metric 'acc'; there are eer_f"):
        metric_interval(results, "original", "acc")
    with pytest.raises(TableError, match="no column emotion_third"):
        metric_interval(results, "original", "uar", "third")
    with pytest.raises(TableError, match="made-up, row none-T7: no results for uar"):
        metric_interval(results, "none-T7", "uar")


def test_a_row_that_halves_every_deviation_from_its_speaker_follows_with_half_the_spread(results):
    """Another mean for each speaker does not count; without its recordings a row has nothing to follow."""
    lines = results.utterances.copy()
    ranks = lines.groupby(["row", "speaker"]).cumcount()
    halved = lines["row"] == "none-T1"
    lines["centroid_hz"] = np.where(halved, 2000 + ranks / 2 + 10 * lines["speaker"].map(ord), 1000 + ranks)
    made = frames.results(lines)
    assert metric_interval(made, "none-T1", "sd_ratio_centroid_hz") == pytest.approx((0.5, 0.5, 0.5))
    assert metric_interval(made, "none-T1", "correlation_centroid_hz") == pytest.approx((1, 1, 1))
    constant = frames.results(lines.assign(centroid_hz=lines["centroid_hz"].where(~halved, 2000.0)))
    assert metric_interval(constant, "none-T1", "sd_ratio_centroid_hz").estimate == 0
    with pytest.raises(TableError, match="no results for sd_ratio_centroid_hz"):
        metric_interval(frames.results(lines[halved]), "none-T1", "sd_ratio_centroid_hz")
