"""Metrics against recorded scores, brute force, SpeechBrain, scikit-learn, audmetric and closed forms."""

import json
from fractions import Fraction
from pathlib import Path

import audmetric
import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, recall_score
from speechbrain.utils.metric_stats import EER

from emotrace.analysis.metrics import MetricError, confusion, eer, recalls, uar
from emotrace.corpus.datadir import Emotion

PARITY = Path(__file__).parents[1] / "data" / "parity"


def brute_force(target: np.ndarray, nontarget: np.ndarray) -> tuple[float, float]:
    """The definition, with exact fractions and a loop."""
    best = None
    for threshold in sorted({*target, *nontarget}):
        frr = Fraction(sum(score <= threshold for score in target), len(target))
        far = Fraction(sum(score > threshold for score in nontarget), len(nontarget))
        if best is None or abs(far - frr) < best[0]:
            best = abs(far - frr), (far + frr) / 2, threshold
    return float(best[1]), float(best[2])


def test_eer_of_the_parity_scores(oracle):
    scores = json.loads((PARITY / "asv_scores.json").read_text())
    rate, threshold = eer(scores["target"], scores["nontarget"])
    assert rate == pytest.approx(0.109333, abs=1e-6)
    oracle("EER", "SpeechBrain's EER of recorded scores", rate, scores["speechbrain_EER"], 1e-7)
    reference = scores["speechbrain_threshold"]
    oracle("threshold of the EER", "SpeechBrain's EER of recorded scores", threshold, reference, 1e-6)


@pytest.mark.parametrize("levels", [2, 5, 50, 10**6])
def test_eer_is_the_definition_by_brute_force_also_with_ties(levels, oracle):
    rng = np.random.default_rng(levels)
    for _ in range(40):
        target = np.round(rng.normal(0.5, 1, rng.integers(1, 30)) * levels) / levels
        nontarget = np.round(rng.normal(-0.5, 1, rng.integers(1, 50)) * levels) / levels
        ours, theirs = eer(target, nontarget), brute_force(target, nontarget)
        oracle("EER and its threshold", "the definition, in exact fractions", ours, theirs, 1e-15)


def test_eer_agrees_with_speechbrain(oracle):
    rng = np.random.default_rng(0)
    for _ in range(20):  # sizes and steps are powers of two: SpeechBrain's float32 rates are then exact
        target, nontarget = rng.integers(-20, 60, 32) / 64, rng.integers(-60, 20, 128) / 64
        theirs = EER(torch.tensor(target), torch.tensor(nontarget))
        oracle("EER and its threshold", "SpeechBrain's EER", eer(target, nontarget), theirs, 0)


def test_eer_is_audmetrics_to_one_target_trial(oracle):
    """Where the rates cross between two scores, audmetric may take the other one."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        target, nontarget = rng.normal(1, 1, 500), rng.normal(0, 1, 2000)
        truth, scores = [True] * 500 + [False] * 2000, [*target, *nontarget]
        theirs, _ = audmetric.equal_error_rate(truth, scores)
        oracle("EER", "audmetric, to one target trial", eer(target, nontarget)[0], theirs, 1 / 500)


def test_eer_of_a_million_gaussian_trials_is_the_closed_form(oracle):
    rng = np.random.default_rng(0)
    rate, threshold = eer(rng.normal(1, 1, 500_000), rng.normal(-1, 1, 500_000))
    oracle("EER", "closed form of two normal distributions", rate, norm.cdf(-1), 1e-3)
    assert threshold == pytest.approx(0, abs=1e-2)


def test_eer_ends_at_zero_and_one():
    assert eer([2, 3], [0, 1])[0] == 0
    assert eer([0, 1], [2, 3])[0] == 1
    assert eer([1], [1])[0] == 0.5


@pytest.mark.parametrize("bad", [[], [np.nan, 1.0], [np.inf, 1.0]])
def test_eer_refuses_what_has_no_rate(bad):
    for pair in ((bad, [0.0, 1.0]), ([0.0, 1.0], bad)):
        with pytest.raises(MetricError):
            eer(*pair)


def test_a_class_only_predicted_does_not_count():
    true, predicted = ["sad", "sad", "ang", "ang"], ["sad", "hap", "ang", "ang"]
    assert recall_score(true, predicted, average="macro", zero_division=0) == 0.5  # the trap
    assert recalls(true, predicted) == {Emotion.SAD: 0.5, Emotion.ANGRY: 1.0}
    assert uar(true, predicted) == 0.75


@pytest.mark.parametrize("seed", range(1, 21))
def test_recalls_uar_and_confusion_are_those_of_scikit_learn_and_audmetric(oracle, seed):
    rng = np.random.default_rng(seed)
    true, predicted = (rng.choice(list(Emotion), 200).tolist() for _ in range(2))
    oracle("UAR", "scikit-learn", uar(true, predicted), balanced_accuracy_score(true, predicted), 1e-15)
    labels = [emotion.value for emotion in Emotion]
    theirs = audmetric.unweighted_average_recall(true, predicted, labels)
    oracle("UAR", "audmetric", uar(true, predicted), theirs, 1e-15)
    rates = [recalls(true, predicted)[emotion] for emotion in labels]
    oracle("recalls", "scikit-learn", rates, recall_score(true, predicted, labels=labels, average=None), 1e-15)
    oracle("recalls", "audmetric", rates, list(audmetric.recall_per_class(true, predicted, labels).values()), 1e-15)
    counts = confusion(true, predicted)
    oracle(
        "confusion matrix", "scikit-learn", counts, confusion_matrix(true, predicted, labels=labels), 0, "utterances"
    )
    theirs = audmetric.confusion_matrix(true, predicted, labels)
    oracle("confusion matrix", "audmetric", counts, theirs, 0, "utterances")
    assert list(counts.index) == list(counts.columns) == ["sad", "neu", "ang", "hap"]
    assert counts.to_numpy().sum() == 200
    assert counts.loc["ang", "sad"] == sum(t == "ang" and p == "sad" for t, p in zip(true, predicted, strict=True))


def test_folds_weigh_the_same_whatever_their_size():
    true, predicted = ["sad"] * 4 + ["hap"] + ["sad"], ["sad"] * 4 + ["hap"] + ["hap"]
    folds = ["1"] * 5 + ["2"]
    assert uar(true, predicted, folds) == 0.5  # 1.0 in fold 1, 0.0 in fold 2
    assert recalls(true, predicted, folds) == {Emotion.SAD: 0.5, Emotion.HAPPY: 1.0}


@pytest.mark.parametrize(
    ("true", "predicted"),
    [(["calm"], ["sad"]), (["sad"], ["calm"]), (["sad", None], ["sad", "sad"]), (["sad"], ["sad", "sad"]), ([], [])],
)
def test_unknown_missing_and_unpaired_labels_are_refused(true, predicted):
    for metric in (recalls, uar, confusion):
        with pytest.raises(MetricError):
            metric(true, predicted)
