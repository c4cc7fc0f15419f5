"""Privacy from the scores of trials, against audmetric, legal_eval and counts by hand."""

import audmetric
import legal_eval
import numpy as np
import pandas as pd
import pytest
from frames import trial_lines
from legal_eval.embeddings import SpeakerConversations
from legal_eval.metrics import linkability_naive, score_conversations

from emotrace.analysis.metrics import MetricError
from emotrace.analysis.privacy import (
    eer_by_joined,
    eer_by_speaker,
    eer_guards,
    eer_spread,
    joined_trials,
    linkability_1n,
    privacy_rates,
    score_matrix,
    singling_out,
    trials_eer,
)


def made_up(shift, attacker="original"):
    """Four speakers of each gender, twenty utterances each; the scores of targets are higher by `shift`."""
    return pd.DataFrame(trial_lines("row", attacker, shift))


def from_embeddings(spread, *, speakers=5, utterances=12, dimensions=8, seed=0):
    """Trials by the cosine of enrolment embeddings and test embeddings, and both; everybody against everybody."""
    rng = np.random.default_rng(seed)
    voices = {f"s{number}": rng.normal(size=dimensions) for number in range(speakers)}
    tests = {
        f"{name}-{n:02d}": voice + spread * rng.normal(size=dimensions)
        for name, voice in voices.items()
        for n in range(utterances)
    }
    lines = [
        {
            **{"row": "row", "attacker": "original", "speaker": claimed, "utterance": key, "trial_speaker": key[:2]},
            **{"gender": "f", "target": key[:2] == claimed},
            "score": float(voice @ test / np.linalg.norm(voice) / np.linalg.norm(test)),
        }
        for claimed, voice in voices.items()
        for key, test in tests.items()
    ]
    return pd.DataFrame(lines), voices, tests


@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.5, 2.0])
def test_the_eer_of_trials_is_audmetrics(shift, oracle):
    trials = made_up(shift)
    expected, _ = audmetric.equal_error_rate(trials["target"].tolist(), trials["score"].tolist())
    oracle("EER of trials", "audmetric, to one target trial", trials_eer(trials), expected, 1 / 160)


def test_every_speaker_has_an_eer_over_the_trials_that_claim_them():
    trials = made_up(1.0)
    rates = eer_by_speaker(trials)
    assert list(rates.index) == list("abcdefgh")
    own = trials[trials["speaker"] == "c"]
    assert rates["c"] == pytest.approx(
        audmetric.equal_error_rate(own["target"].tolist(), own["score"].tolist())[0], 0.1
    )
    spread = eer_spread(trials)
    assert spread["mean"] == pytest.approx(np.mean(rates)) and spread["sd"] == pytest.approx(np.std(rates, ddof=1))
    assert (spread["low"], spread["high"]) == (rates.min(), rates.max()) and spread["low"] < spread["high"]


def test_a_speaker_who_is_scored_worse_has_a_higher_eer():
    trials = made_up(4.0)
    trials.loc[(trials["speaker"] == "b") & trials["target"], "score"] -= 4
    rates = eer_by_speaker(trials)
    assert rates.idxmax() == "b" and rates["b"] > 0.3 > rates.drop("b").max()


def test_joined_scores_are_means_over_all_utterances_of_a_group():
    trials, _, _ = from_embeddings(1.0)
    joined = joined_trials(trials, 3)
    assert list(joined) == list(trials) and len(joined) == 5 * 5 * 4
    one = joined[(joined["speaker"] == "s1") & (joined["utterance"] == "s3-01")]
    wanted = trials[(trials["speaker"] == "s1") & trials["utterance"].isin(["s3-01", "s3-05", "s3-09"])]
    assert one["score"].item() == pytest.approx(wanted["score"].mean()) and not one["target"].item()
    pd.testing.assert_frame_equal(
        joined_trials(trials, 1).sort_values(["speaker", "utterance"], ignore_index=True),
        trials.sort_values(["speaker", "utterance"], ignore_index=True),
    )


def test_what_does_not_fill_a_group_is_left_out():
    trials, _, _ = from_embeddings(1.0, utterances=11)
    assert joined_trials(trials, 10)["utterance"].nunique() == 5
    assert joined_trials(trials, 3)["utterance"].nunique() == 15
    assert joined_trials(trials, 12).empty


def test_joining_utterances_helps_an_attacker_and_agrees_with_mean_embeddings():
    trials, voices, tests = from_embeddings(3.0, speakers=9, utterances=30)
    table = eer_by_joined(trials).set_index("joined")
    assert table["targets"].to_dict() == {1: 270, 3: 90, 10: 27} and (table["speakers"] == 9).all()
    assert table["eer"][1] == trials_eer(trials) > table["eer"][3] + 0.05 > table["eer"][10] + 0.1
    target, nontarget = [], []
    for claimed, voice in voices.items():
        for name in voices:
            own = [tests[key] / np.linalg.norm(tests[key]) for key in sorted(tests) if key[:2] == name]
            for group in range(3):
                mean = np.mean(own[group::3], axis=0)
                cosine = voice @ mean / np.linalg.norm(voice) / np.linalg.norm(mean)
                (target if claimed == name else nontarget).append(cosine)
    labels = [True] * len(target) + [False] * len(nontarget)
    by_embedding, _ = audmetric.equal_error_rate(labels, target + nontarget)
    assert table["eer"][10] == pytest.approx(by_embedding, abs=0.05)


def test_too_few_utterances_to_join_have_no_eer():
    trials, _, _ = from_embeddings(1.0, utterances=6)
    table = eer_by_joined(trials)
    assert table["eer"].isna().tolist() == [False, False, True]
    assert table["targets"].tolist() == [30, 10, 0] and table["speakers"].tolist() == [5, 5, 0]


@pytest.mark.parametrize("seed", range(10))
def test_linkability_is_the_share_that_scores_highest_with_its_own_speaker(oracle, seed):
    trials, voices, tests = from_embeddings(2.0, seed=seed)
    table = linkability_1n(trials)
    best = {
        key: max(voices, key=lambda name: voices[name] @ t / np.linalg.norm(voices[name])) for key, t in tests.items()
    }
    by_hand = np.mean([key[:2] == name for key, name in best.items()])
    rate = table["linkability_1n"].item()
    oracle("linkability 1:N", "nearest embedding, counted", rate, float(by_hand), 1e-12)
    assert 0.3 < by_hand < 0.95
    assert table[["speakers", "utterances", "chance"]].to_numpy().tolist() == [[5, 60, 0.2]]
    matrix = legal_eval.cosine_score_matrix(voices, {name: voices[name] for name in voices})
    assert legal_eval.linkability(matrix, 5, estimator="exact") == [1.0]
    oracle(
        "linkability 1:N",
        "legal_eval's naive estimator",
        [rate],
        linkability_naive(score_matrix(trials), 5, n_runs=1),
        1e-12,
    )


def test_linkability_is_by_gender():
    trials = made_up(0.0)
    trials.loc[trials["target"] & (trials["gender"] == "m"), "score"] += 100
    table = linkability_1n(trials).set_index("gender")
    assert table["linkability_1n"]["m"] == 1 and table["linkability_1n"]["f"] == pytest.approx(0.25, abs=0.12)
    assert (table["speakers"] == 4).all()


@pytest.mark.parametrize("seed", range(5))
def test_singling_out_is_legal_evals_on_the_same_conversations(oracle, seed):
    trials, voices, tests = from_embeddings(1.5, seed=seed)
    keys = sorted(tests)
    expected = []
    for fold in range(4):
        rng, conversations = np.random.default_rng((3, fold)), {}
        for name in voices:
            own = rng.permutation([place for place, key in enumerate(keys) if key[:2] == name])
            first, *others = (tests[keys[place]] for place in own)
            conversations[name] = SpeakerConversations(name, first, others)
        scores = score_conversations(voices, conversations)
        expected += [runs[0] for runs in legal_eval.singling_out(scores, 5, n_runs=1).values()]
    table = singling_out(trials, folds=4, seed=3)
    rate = table["singling_out"].item()
    oracle("singling out", "legal_eval on the embeddings", rate, float(np.mean(expected)), 1e-12)
    assert 0.2 < np.mean(expected) < 1
    assert table["chance"].item() == pytest.approx(0.368, abs=1e-3)


def test_singling_out_of_separate_people_and_of_chance():
    assert singling_out(from_embeddings(0.01)[0])["singling_out"].item() == 1
    rates = singling_out(made_up(0.0), folds=100)["singling_out"]
    assert rates.to_numpy() == pytest.approx(0.4, abs=0.1)  # four speakers: 4 (1/4) (3/4)^3 = 0.42 where independent


def test_the_rates_of_a_row_are_those_of_the_functions():
    rates, weaker = privacy_rates(made_up(3.0)), privacy_rates(made_up(0.5))
    assert rates["EER by speaker, mean"] == eer_by_speaker(made_up(3.0)).mean() <= rates["highest"]
    assert rates["linked"] > weaker["linked"] > rates["chance of a link"] == 0.25
    assert rates["singled out"] > weaker["singled out"] and rates["EER, 3 joined"] < weaker["EER, 3 joined"]


def test_incomplete_tables_are_refused():
    trials, _, _ = from_embeddings(1.0)
    with pytest.raises(MetricError, match="a trial is missing"):
        linkability_1n(trials.iloc[1:])
    with pytest.raises(MetricError, match="'s1' is not enrolled"):
        linkability_1n(trials[trials["speaker"] != "s1"])
    with pytest.raises(MetricError, match="twice"):
        singling_out(pd.concat([trials, trials]))
    with pytest.raises(MetricError, match="two utterances"):
        singling_out(trials[trials["utterance"].str.endswith("00")])


def names(originals, *attackers, same_gender=False):
    return {guard.name for guard in eer_guards(originals, pd.concat(attackers), same_gender=same_gender)}


def many(shift, attacker, speakers=20):
    """Twenty or more speakers of each gender, twenty utterances each, every one tried against three others."""
    rng = np.random.default_rng(len(attacker))
    lines = [
        {
            **{"row": "row", "attacker": attacker, "speaker": f"{gender}{claimed}", "gender": gender},
            **{"trial_speaker": f"{gender}{(claimed + step) % speakers}", "target": step == 0},
            **{"utterance": f"{gender}{(claimed + step) % speakers}-{n}", "score": rng.normal() + shift * (step == 0)},
        }
        for gender in "fm"
        for claimed in range(speakers)
        for step in range(4)
        for n in range(20)
    ]
    return pd.DataFrame(lines)


STRONG = many(5.0, "original")


def test_no_guard_speaks_of_a_row_that_hides_people_from_the_strongest_attacker():
    attackers = (many(1.0, "ignorant"), many(1.0, "lazy-informed"), many(1.2, "semi-informed"))
    assert names(STRONG, *attackers) == set()


@pytest.mark.parametrize(
    ("originals", "ignorant", "lazy", "semi", "expected"),
    [
        (2.0, 1.0, 1.0, 1.2, {"weak-attacker"}),
        (5.0, -1.0, 0.8, 1.0, {"above-half", "stronger-attacker"}),
        (5.0, 1.0, 1.0, 0.6, {"stronger-attacker", "training-useless"}),
        (5.0, 0.8, 1.0, 3.0, {"stronger-attacker"}),
        (5.0, 5.0, 5.0, 5.0, set()),
    ],
)
def test_each_guard_speaks_beyond_its_limit(originals, ignorant, lazy, semi, expected):
    shifts = {"ignorant": ignorant, "lazy-informed": lazy, "semi-informed": semi}
    found = names(many(originals, "original"), *(many(shift, name) for name, shift in shifts.items()))
    assert found == expected


def test_a_missing_semi_informed_attacker_is_named_where_it_could_learn():
    (guard,) = eer_guards(STRONG, many(1.0, "lazy-informed"), same_gender=False)
    assert guard.name == "training-untried" and "may have a lower one" in guard.sentence
    assert names(STRONG, many(5.0, "lazy-informed")) == set()


def test_few_speakers_say_what_one_trial_weighs():
    few = pd.concat([many(1.0, "lazy-informed", 6), many(1.2, "semi-informed", 6)])
    few = few[few["utterance"].str.split("-").str[1].astype(int) < 3]
    (guard,) = (guard for guard in eer_guards(STRONG, few, same_gender=False) if guard.name == "few-speakers")
    assert "6 speakers of gender f" in guard.sentence and "2.8 points" in guard.sentence  # 36 target trials
    assert "few-speakers" in names(STRONG, many(1.0, "semi-informed", 19))
    assert "few-speakers" not in names(STRONG, many(1.0, "semi-informed", 20))


def test_the_gender_counts_where_trials_cross_it():
    trials = many(1.0, "semi-informed")
    assert names(STRONG, trials, same_gender=True) == {"same-gender"}
    crossing = trials.iloc[:40].assign(speaker="m1", gender="m", target=False)
    assert names(STRONG, trials, crossing, same_gender=True) == set()
