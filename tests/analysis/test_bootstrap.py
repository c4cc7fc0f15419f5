"""The bootstrap over speakers: two routes that agree, an expanded draw, scipy, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from emotrace.analysis.bootstrap import Draws, Interval, Part, Statistic, Variance, combination, p_value, t_interval
from emotrace.analysis.metrics import MetricError, eer, recalls, uar
from emotrace.analysis.statistics import (
    EqualErrorRate,
    Following,
    FrameQuantile,
    Mean,
    Quantile,
    Recall,
    RecallSpread,
    ShareCalled,
    WordErrorRate,
)
from emotrace.corpus.datadir import Emotion

EDGES = tuple(np.geomspace(100, 1600, 9))


def interval(frame: pd.DataFrame, statistic: Statistic, *, by: str = "speaker", **options: float) -> Interval:
    """The interval of one statistic of one frame."""
    return combination([Part(1.0, frame, statistic, by)], **options)


def difference(first: pd.DataFrame, second: pd.DataFrame, statistic: Statistic, **options: float) -> Interval:
    """The interval of a statistic of the first frame minus that of the second."""
    return combination([Part(1.0, first, statistic), Part(-1.0, second, statistic)], **options)


@pytest.fixture
def utterances() -> pd.DataFrame:
    """Nine speakers of three folds with unequal numbers of utterances."""
    rng = np.random.default_rng(0)
    speaker = np.repeat(np.arange(9), rng.integers(3, 12, 9))
    frame = pd.DataFrame({"speaker": [f"s{n}" for n in speaker], "fold": [str(n % 3) for n in speaker]})
    frame["emotion"] = rng.choice([emotion.value for emotion in Emotion], len(frame))
    guess = rng.choice([emotion.value for emotion in Emotion], len(frame))
    frame["predicted"] = np.where(rng.random(len(frame)) < 0.6, frame["emotion"], guess)
    frame["words"] = rng.integers(1, 9, len(frame))
    frame["word_errors"] = rng.integers(0, 5, len(frame))
    frame["value"] = rng.normal(speaker, 1)
    frame["histogram"] = list(rng.integers(0, 20, (len(frame), len(EDGES) - 1)))
    return frame


@pytest.fixture
def trials() -> pd.DataFrame:
    """Five enrolled speakers tried by themselves and the others, and by one who is never claimed."""
    rng = np.random.default_rng(1)
    pairs = [(f"s{a}", f"s{b}", number) for a in range(5) for b in range(6) for number in range(3)]
    frame = pd.DataFrame(pairs, columns=["speaker", "trial_speaker", "number"])
    frame["utterance"] = frame["trial_speaker"] + "-" + frame.pop("number").astype(str)
    frame["target"] = frame["speaker"] == frame["trial_speaker"]
    frame["score"] = np.round(rng.normal(np.where(frame["target"], 1.0, 0.0), 1), 1)
    return frame


def spread(frame: pd.DataFrame) -> float:
    """Standard deviation of the four recalls."""
    rates = recalls(frame["emotion"].tolist(), frame["predicted"].tolist(), frame["fold"].tolist())
    return np.std([rates.get(emotion.value, np.nan) for emotion in Emotion])


def frame_quantile(frame: pd.DataFrame, q: float = 0.9) -> float:
    """Frames spread evenly, on a logarithmic axis, over their bins."""
    counts = np.sum(frame["histogram"].to_list(), axis=0)
    return np.exp(np.interp(q * counts.sum(), np.append(0, np.cumsum(counts)), np.log(EDGES)))


def follows(frame: pd.DataFrame, what: str) -> float:
    """Two numbers of a speaker at a time, relative to the speaker's means."""
    made, source = (frame[name] - frame.groupby("speaker")[name].transform("mean") for name in ("value", "words"))
    return np.corrcoef(made, source)[0, 1] if what == "correlation" else np.std(made) / np.std(source)


ROUTES = [
    (Following("value", "words"), lambda frame: follows(frame, "sd_ratio")),
    (Following("value", "words", correlation=True), lambda frame: follows(frame, "correlation")),
    (RecallSpread("predicted"), spread),
    (
        ShareCalled("predicted", Emotion.SAD, Emotion.ANGRY),
        lambda frame: frame.loc[frame["emotion"] == "sad", "predicted"].eq("ang").mean(),
    ),
    (Quantile("value", 0.3), lambda frame: np.quantile(frame["value"], 0.3, method="inverted_cdf")),
    (FrameQuantile("histogram", EDGES, 0.9), frame_quantile),
    (Mean("value"), lambda frame: frame["value"].mean()),
    (WordErrorRate(), lambda frame: frame["word_errors"].sum() / frame["words"].sum()),
    (
        Recall("predicted"),
        lambda frame: uar(frame["emotion"].tolist(), frame["predicted"].tolist(), frame["fold"].tolist()),
    ),
    (
        Recall("predicted", Emotion.SAD),
        lambda frame: recalls(frame["emotion"].tolist(), frame["predicted"].tolist(), frame["fold"].tolist()).get(
            "sad", np.nan
        ),
    ),
]


@pytest.mark.parametrize(("fast", "general"), ROUTES)
def test_weights_and_repeated_rows_give_the_same_interval(utterances, fast, general):
    general.by_fold = getattr(fast, "by_fold", False)
    expected = interval(utterances, general, n=25, seed=3)
    limited = np.clip(expected, *getattr(fast, "limits", (-np.inf, np.inf)))  # a rate ends at 0 and 1
    assert tuple(interval(utterances, fast, n=25, seed=3)) == pytest.approx(tuple(limited), abs=1e-12)
    assert expected.low < expected.estimate < expected.high


def test_a_drawn_eer_is_that_of_the_trials_written_out(trials, oracle):
    draws = Draws.of(trials, "speaker", 12, 0)
    values = EqualErrorRate().weighted(trials, draws)
    assert values[0] == eer(trials["score"][trials["target"]], trials["score"][~trials["target"]])[0]
    for weights, value in zip(draws.weights[1:], values[1:], strict=True):
        people = [(name, copy) for name, weight in zip(draws.names, weights, strict=True) for copy in range(weight)]
        target, nontarget = [], []
        for claimed in people:
            for speaking in people:
                own = trials[(trials["speaker"] == claimed[0]) & (trials["trial_speaker"] == speaking[0])]["score"]
                if claimed == speaking:
                    target.extend(own)
                elif claimed[0] != speaking[0]:
                    nontarget.extend(own)
        oracle("EER of every draw", "the trials written out", value, eer(target, nontarget)[0], 1e-15)


def test_the_interval_of_a_mean_is_that_of_students_t(oracle):
    """With as many utterances of every speaker, the bootstrap variance of a mean is known: s^2 / S."""
    means = np.random.default_rng(2).normal(0, 1, 12)
    frame = pd.DataFrame({"speaker": np.repeat([f"s{n:02}" for n in range(12)], 4), "value": np.repeat(means, 4)})
    computed = interval(frame, Mean("value"), n=50_000)
    reference = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert computed.estimate == pytest.approx(means.mean(), abs=1e-12)
    bounds, theirs = (computed.low, computed.high), (reference.low, reference.high)
    oracle("interval of a mean", "scipy's one-sample t", bounds, theirs, 0.02)


def test_independent_variances_add_up_as_by_welch(oracle):
    rng = np.random.default_rng(3)
    one, two = rng.normal(0, 1, 12), rng.normal(0, 3, 5)
    variances = [Variance(np.var(sample, ddof=1) / len(sample), len(sample) - 1) for sample in (one, two)]
    welch = stats.ttest_ind(one, two, equal_var=False)
    estimate = one.mean() - two.mean()
    bounds, theirs = t_interval(estimate, variances)[1:], tuple(welch.confidence_interval(0.95))
    oracle("interval of independent errors", "scipy's Welch t", bounds, theirs, 1e-9, relative=True)
    oracle(
        "p of independent errors", "scipy's Welch t", p_value(estimate, variances), welch.pvalue, 1e-9, relative=True
    )


def test_a_further_variance_widens_an_interval(utterances):
    part = Part(1.0, utterances, Mean("value"))
    speakers, both = combination([part]), combination([part], further=[Variance(4.0, 2)])
    assert both.high - both.low > max(speakers.high - speakers.low, 2 * 2 * stats.t.ppf(0.975, 10))
    assert combination([part], further=[Variance(0.0, 2)]) == speakers


def test_an_interval_of_a_rate_ends_where_rates_do(utterances):
    wrong = "ang" if utterances["emotion"][0] == "hap" else "hap"
    nearly = utterances.assign(predicted=utterances["emotion"].where(utterances.index > 0, wrong))
    rate = interval(nearly, Recall("predicted"))
    assert rate.estimate < 1 and rate.high == 1.0
    reversed_rate = combination([Part(-100.0, nearly, Recall("predicted"))])
    assert reversed_rate.low == -100.0


def test_speakers_are_drawn_whole_so_more_utterances_of_them_do_not_narrow_the_interval(utterances):
    once = interval(utterances, Mean("value"))
    assert interval(pd.concat([utterances] * 5), Mean("value")) == pytest.approx(once, abs=1e-12)


def test_the_interval_depends_on_the_seed_and_not_on_the_order_of_rows(utterances, trials):
    for frame, statistic in ((utterances, Recall("predicted")), (trials, EqualErrorRate())):
        first = interval(frame, statistic, n=200, seed=5)
        assert interval(frame.sample(frac=1, random_state=0), statistic, n=200, seed=5) == first
        assert interval(frame, statistic, n=200, seed=6) != first


def test_a_wider_level_gives_a_wider_interval(utterances):
    narrow, wide = (interval(utterances, Mean("value"), level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_paired_differences_use_the_same_draws(utterances):
    assert difference(utterances, utterances, Recall("predicted")) == (0, 0, 0)
    shifted = utterances.assign(value=utterances["value"] + 0.5)
    assert difference(shifted, utterances, Mean("value")) == pytest.approx((0.5, 0.5, 0.5), abs=1e-12)


def test_a_paired_difference_is_that_of_every_draw_written_out(utterances, oracle):
    """The same speakers repeated in both frames, then means, then the t interval of their spread."""
    other = utterances.assign(value=np.random.default_rng(5).normal(size=len(utterances)))
    draws = Draws.of(utterances, "speaker", 200, 3)
    values = []
    for weights in draws.weights:
        repeats = weights[np.searchsorted(draws.names, utterances["speaker"].to_numpy(str))]
        first, second = (np.repeat(frame["value"].to_numpy(), repeats).mean() for frame in (utterances, other))
        values.append(first - second)
    half = stats.t.ppf(0.975, 8) * np.std(values[1:]) * (9 / 8) ** 0.5
    expected = (values[0], values[0] - half, values[0] + half)
    computed = difference(utterances, other, Mean("value"), n=200, seed=3)
    oracle("interval of a paired difference", "every draw written out", tuple(computed), expected, 1e-12)


def test_draws_without_non_target_trials_are_left_out_until_they_are_too_many(trials):
    few = trials[trials["speaker"].isin(["s0", "s1"]) & trials["trial_speaker"].isin(["s0", "s1"])]
    assert np.isnan(EqualErrorRate().weighted(few, Draws.of(few, "speaker", 50, 0))).any()
    with pytest.raises(MetricError, match="undefined in"):
        interval(few, EqualErrorRate(), n=50)
    four = trials[trials["speaker"].isin(["s0", "s1", "s2", "s3"])]
    assert np.isfinite(interval(four[four["trial_speaker"] < "s4"], EqualErrorRate())).all()


def test_what_has_no_interval_is_refused(utterances, trials):
    one = utterances[utterances["speaker"] == "s0"]
    with pytest.raises(MetricError, match="only one speaker"):
        interval(one, WordErrorRate())
    named = one.assign(utterance=[f"u{number}" for number in range(len(one))])
    over_utterances = interval(named, WordErrorRate(), by="utterance")
    assert over_utterances.low < over_utterances.high
    for frame, statistic in (
        (utterances[:0], Mean("value")),
        (utterances.assign(value=np.nan), Mean("value")),
        (utterances.assign(speaker=None), Mean("value")),
        (utterances.assign(fold=None), Recall("predicted")),
        (utterances.assign(predicted="calm"), Recall("predicted")),
        (trials.assign(score=np.nan), EqualErrorRate()),
        (trials.assign(target=True), EqualErrorRate()),
    ):
        with pytest.raises(MetricError):
            interval(frame, statistic, n=10)


def test_parts_with_other_speakers_are_drawn_independently(utterances):
    strangers = utterances.assign(speaker="x" + utterances["speaker"])
    one, two = Part(1.0, utterances, Mean("value")), Part(-1.0, strangers, Mean("value"))
    paired = combination([one, two._replace(frame=utterances)], n=500)
    independent = combination([one, two], n=500)
    assert paired == (0, 0, 0) and independent.estimate == 0
    single = interval(utterances, Mean("value"), n=500)
    wider = 2**0.5 * stats.t.ppf(0.975, 16) / stats.t.ppf(0.975, 8)
    assert independent.high - independent.low == pytest.approx(wider * (single.high - single.low), rel=0.1)


def test_trials_without_an_error_still_leave_an_eer_unknown(oracle):
    """Six speakers, ten trials by each claimed one: no draw has an error, so only the number of trials tells."""
    pairs = [(claimed, speaking) for claimed in "abcdef" for speaking in "abcdef" for _ in range(10)]
    frame = pd.DataFrame(pairs, columns=["speaker", "trial_speaker"])
    frame["target"] = frame["speaker"] == frame["trial_speaker"]
    frame["score"] = frame["target"].astype(float)
    rate = 0.5 / 61
    expected = stats.t.ppf(0.975, 5) * np.sqrt(rate * (1 - rate) * (1 / 60 + 1 / 300) / 4)
    found = interval(frame, EqualErrorRate(), n=50)
    assert found[:2] == (0.0, 0.0)
    oracle("interval of an EER of 0", "Jeffreys's prior, by hand", found.high, expected, 1e-12)
