"""Linear probes on features whose content is known, their scores, and what a split keeps apart."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from stand_in import SPEAKERS
from tiny_probing import TEXTS, named_utterances

from emotrace.analysis.bootstrap import Draws
from emotrace.corpus.datadir import Emotion
from emotrace.experiments.linear_probes import (
    Determination,
    ProbeError,
    Score,
    baseline,
    between_speakers,
    classify,
    leave_one_fold_out,
    leave_readers_out,
    leave_texts_out,
    predict,
    regress,
    score_interval,
)


def _features(seed: int = 0, frames: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, 20), hidden F0 (N,), groups (N,)."""
    rng = np.random.default_rng(seed)
    f0 = rng.normal(7.3, 0.3, frames)
    return rng.standard_normal((frames, 20)), f0, np.repeat([f"s{i}" for i in range(6)], frames // 6)


def test_a_feature_that_holds_f0_linearly_is_read_and_noise_is_not():
    noise, f0, groups = _features()
    other_noise, other_f0, _ = _features(1)
    mixing = np.random.default_rng(2).standard_normal((20, 20))
    holds, other_holds = (
        np.column_stack([x[:, :19], 300 * y + 5]) @ mixing for x, y in ((noise, f0), (other_noise, other_f0))
    )
    assert r2_score(other_f0, regress(holds, f0, list(groups), other_holds)) > 0.99
    assert abs(r2_score(other_f0, regress(noise, f0, list(groups), other_noise))) < 0.05


def test_more_channels_than_lines_of_noise_are_regularised_away():
    rng = np.random.default_rng(0)
    x, y, groups = rng.standard_normal((60, 400)), rng.standard_normal(60), [f"s{i % 6}" for i in range(60)]
    test = rng.standard_normal((500, 400))
    assert np.var(regress(x, y, groups, test)) < 0.1
    assert np.var(regress(x, x[:, 0] * 3, groups, test)) < 9


def test_units_of_a_feature_leave_no_trace():
    noise, f0, groups = _features()
    scaled = noise * np.logspace(-3, 3, 20) + 7
    np.testing.assert_allclose(regress(noise, f0, list(groups), noise), regress(scaled, f0, list(groups), scaled))
    labels = np.where(f0 > 7.3, "high", "low")
    assert (classify(noise, labels, noise) == classify(scaled, labels, scaled)).all()


def test_classes_with_other_means_are_told_apart_and_noise_is_chance():
    rng = np.random.default_rng(0)
    labels = rng.choice([str(emotion) for emotion in Emotion], 400)
    noise = rng.standard_normal((400, 30))
    means = {name: 3 * rng.standard_normal(30) for name in np.unique(labels)}
    apart = noise + np.stack([means[name] for name in labels])
    assert np.mean(classify(apart[:200], labels[:200], apart[200:]) == labels[200:]) > 0.99
    assert np.mean(classify(noise[:200], labels[:200], noise[200:]) == labels[200:]) == pytest.approx(0.25, abs=0.1)


def test_balanced_classes_have_the_same_prior():
    """With nothing to see, the frequent class wins by its share; balanced, it does not."""
    rng = np.random.default_rng(0)
    labels = np.array(["often"] * 270 + ["rarely"] * 30)
    noise, test = rng.standard_normal((300, 4)), rng.standard_normal((500, 4))
    assert np.mean(classify(noise, labels, test) == "often") == 1
    assert 0.2 < np.mean(classify(noise, labels, test, balanced=True) == "often") < 0.8


def test_a_class_of_one_line_is_not_learned_and_one_class_is_refused():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((21, 3))
    assert set(classify(x, np.array(["a"] * 10 + ["b"] * 10 + ["c"]), x)) <= {"a", "b"}
    with pytest.raises(ProbeError, match="two classes"):
        classify(x[:11], np.array(["a"] * 10 + ["b"]), x)


def test_what_cannot_be_probed_is_refused():
    x, y, groups = _features()
    with pytest.raises(ProbeError, match="NaN or infinite features"):
        regress(np.where(x > 3, np.nan, x), y, list(groups), x)
    with pytest.raises(ProbeError, match="NaN or infinite targets"):
        regress(x, np.where(y > 7.3, np.nan, y), list(groups), x)
    with pytest.raises(ProbeError, match="two or more"):
        regress(x, y, ["s1"] * len(x), x)
    with pytest.raises(ProbeError, match="do not match"):
        predict(Score.R2, x, y, list(groups), x[:, :3])
    with pytest.raises(ProbeError, match="600 lines that have the target to learn from, 0 to be tested on"):
        predict(Score.R2, x, y, list(groups), x[:0])


def _lines(target, predicted, speakers: int = 4) -> pd.DataFrame:
    names = [f"s{i % speakers}" for i in range(len(target))]
    lines = {"target": target, "predicted": predicted, "speaker": names, "fold": "all"}
    return pd.DataFrame(lines | {"utterance": [f"u{i}" for i in range(len(target))]})


def test_r2_is_that_of_sklearn_for_every_draw(oracle):
    rng = np.random.default_rng(0)
    target = rng.normal(1000, 1, 80)
    lines = _lines(target, target + rng.normal(0, 0.7, 80))
    draws = Draws.of(lines, "speaker", 20, 0)
    values = Determination("predicted").weighted(lines, draws)
    for weights, value in zip(draws.weights, values, strict=True):
        weight = weights[draws.groups(lines["speaker"])]
        expected = r2_score(lines["target"], lines["predicted"], sample_weight=weight)
        oracle("R² of a probe, in every draw", "scikit-learn", value, expected, 1e-9)


def test_scores_and_baselines_by_hand():
    labels = ["sad", "sad", "ang", "ang", "ang", "ang", "ang", "ang"]
    lines = _lines(labels, ["sad", "ang", *labels[2:]])
    accuracy = score_interval(lines, Score.ACCURACY, by="speaker", n=50, seed=0)
    assert accuracy.estimate == 7 / 8 and accuracy.high == 1
    assert score_interval(lines, Score.UAR, by="utterance", n=50, seed=0).estimate == 0.75
    assert baseline(lines, Score.ACCURACY) == 6 / 8 and baseline(lines, Score.UAR) == 0.5


@pytest.mark.parametrize("score", Score)
def test_no_constant_beats_the_baseline(score):
    rng = np.random.default_rng(0)
    labels = rng.choice(["sad", "ang", "hap"], 40, p=[0.5, 0.3, 0.2])
    target = rng.normal(3, 1, 40) if score is Score.R2 else labels
    constants = [*np.linspace(1, 5, 9), target.mean()] if score is Score.R2 else ["sad", "neu", "ang", "hap"]
    found = [
        score_interval(_lines(target, np.full(40, value)), score, by="utterance", n=5, seed=0).estimate
        for value in constants
    ]
    assert max(found) == pytest.approx(baseline(_lines(target, target), score), abs=1e-12)


def test_no_speaker_is_on_both_sides_of_a_split_between_speakers():
    utterances = named_utterances(TEXTS)
    speakers = {u.id: u.speaker for u in utterances}
    folds = leave_one_fold_out(utterances)
    assert len(folds) == 2
    for train, test in folds:
        assert not {speakers[name] for name in train} & {speakers[name] for name in test}
    assert frozenset.union(*(test for _, test in folds)) == set(speakers)
    with pytest.raises(ProbeError, match=r"speakers \['s1'\] are in training and in test"):
        between_speakers(utterances, utterances[:1])
    with pytest.raises(ProbeError, match="has no fold"):
        leave_one_fold_out([replace(u, fold=None) for u in utterances])


def test_every_reader_is_left_out_once():
    utterances = named_utterances(TEXTS)
    folds = leave_readers_out(utterances, 3)
    owner = {u.id: u.speaker for u in utterances}
    assert len(folds) == 3 and sorted(name for _, test in folds for name in test) == sorted(owner)
    assert all(not {owner[u] for u in train} & {owner[u] for u in test} for train, test in folds)
    with pytest.raises(ProbeError):
        leave_readers_out([u for u in utterances if u.speaker == utterances[0].speaker], 3)


@pytest.mark.parametrize(("texts", "groups"), [(2, 2), (6, 6), (9, 6)])
def test_no_text_is_on_both_sides_of_a_split_between_texts_and_every_speaker_is(texts, groups):
    utterances = named_utterances([f"TEXT {n}" for n in range(texts)])
    text, speaker = ({u.id: getattr(u, name) for u in utterances} for name in ("text", "speaker"))
    folds = leave_texts_out(utterances)
    assert len(folds) == groups
    for train, test in folds:
        assert not {text[name] for name in train} & {text[name] for name in test}
        assert {speaker[name] for name in train} == {speaker[name] for name in test} == set(SPEAKERS)
    assert sum(len(test) for _, test in folds) == len(utterances)
    with pytest.raises(ProbeError, match="say the same"):
        leave_texts_out(named_utterances(TEXTS[:1]))
