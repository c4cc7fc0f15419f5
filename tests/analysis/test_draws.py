"""Statistics of every draw of speakers, which intervals are made of, against scipy, scikit-learn and numpy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, recall_score

from emotrace.analysis.bootstrap import Draws
from emotrace.analysis.statistics import Mean, Quantile, Recall, WordErrorRate
from emotrace.corpus.datadir import Emotion

LABELS = [emotion.value for emotion in Emotion]


@pytest.fixture
def utterances() -> pd.DataFrame:
    """Nine speakers of one fold with 8 to 20 utterances, most of them recognised."""
    rng = np.random.default_rng(0)
    speaker = np.repeat(np.arange(9), rng.integers(8, 21, 9))
    frame = pd.DataFrame({"speaker": [f"s{n}" for n in speaker], "fold": "all", "value": rng.normal(speaker, 1)})
    frame["emotion"], guess = rng.choice(LABELS, (2, len(frame)))
    frame["predicted"] = np.where(rng.random(len(frame)) < 0.6, frame["emotion"], guess)
    return frame.assign(words=rng.integers(1, 9, len(frame)), word_errors=rng.integers(0, 5, len(frame)))


@pytest.fixture
def draws(utterances) -> Draws:
    return Draws.of(utterances, "speaker", 50, 0)


def weights(utterances: pd.DataFrame, draws: Draws) -> np.ndarray:
    """How often each utterance (R) is in every draw (N), (N, R)."""
    return draws.weights[:, draws.groups(utterances["speaker"])]


def test_recalls_of_every_draw_are_scikit_learns(utterances, draws, oracle):
    true, predicted = utterances["emotion"], utterances["predicted"]
    every = weights(utterances, draws)
    expected = np.array([balanced_accuracy_score(true, predicted, sample_weight=one) for one in every])
    oracle("UAR of every draw", "scikit-learn", Recall("predicted").weighted(utterances, draws), expected, 1e-12)
    options = {"labels": [Emotion.SAD.value], "average": None}
    expected = np.array([recall_score(true, predicted, sample_weight=one, **options)[0] for one in every])
    ours = Recall("predicted", Emotion.SAD).weighted(utterances, draws)
    oracle("recall of every draw", "scikit-learn", ours, expected, 1e-12)


def test_means_quantiles_and_word_error_rates_of_every_draw_are_numpys(utterances, draws, oracle):
    every, values = weights(utterances, draws), utterances["value"].to_numpy()
    expected = np.array([np.average(values, weights=one) for one in every])
    oracle("mean of every draw", "numpy", Mean("value").weighted(utterances, draws), expected, 1e-12)
    expected = np.array([np.quantile(values, 0.3, weights=one, method="inverted_cdf") for one in every])
    oracle("quantile of every draw", "numpy", Quantile("value", 0.3).weighted(utterances, draws), expected, 0)
    rates, words = utterances["word_errors"] / utterances["words"], utterances["words"]
    expected = np.array([np.average(rates, weights=one * words) for one in every])
    oracle("WER of every draw", "numpy", WordErrorRate().weighted(utterances, draws), expected, 1e-12)


def test_the_standard_error_of_a_mean_is_that_of_scipys_bootstrap(oracle):
    means = np.random.default_rng(2).normal(0, 1, 20)
    frame = pd.DataFrame({"speaker": np.repeat([f"s{n:02}" for n in range(20)], 4), "value": np.repeat(means, 4)})
    ours = Mean("value").weighted(frame, Draws.of(frame, "speaker", 50_000, 0))[1:].std(ddof=1)
    theirs = stats.bootstrap((means,), np.mean, n_resamples=50_000, rng=0).standard_error
    oracle("bootstrap standard error of a mean", "scipy", ours, theirs, 0.02, relative=True)
