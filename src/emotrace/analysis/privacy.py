"""What the scores of attackers say of privacy, and when an equal error rate flatters. T trials, S speakers.

Every function takes a frame of trials with the columns of `pipeline.results.TRIALS` (row, attacker, speaker, utterance,
trial_speaker, gender, target, score), of one row and one attacker unless it says otherwise.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from legal_eval.io import ScoreMatrix
from legal_eval.metrics import ConversationScores, count_beaters
from legal_eval.metrics import singling_out as isolated

from emotrace.analysis.metrics import MetricError, eer

ORIGINAL, IGNORANT, LAZY, SEMI = "original", "ignorant", "lazy-informed", "semi-informed"
"""The values of the column attacker, from the one without an anonymizer to the strongest."""
JOINED = (1, 3, 10)
WEAK_EER = 0.10
"""On recordings; VoicePrivacy 2024's attacker has 5 % (women) and 1 % (men) on Libri-test."""
FEW_SPEAKERS = 20
"""Of a gender; an interval over fewer is wider than most differences between systems."""
COARSE_STEP = 0.01
"""Of the rate of missed targets that one trial makes."""
STRONGER = 0.05
"""By how much the EER of the strongest attacker lies below that of another one, before the latter flatters."""

USEFUL = 0.02
"""By how much training lowers the EER where it helps; by more than one target trial in any case."""


class Guard(NamedTuple):
    """A reason why an EER flatters: its name, and a sentence with the numbers."""

    name: str
    sentence: str


def trials_eer(trials: pd.DataFrame) -> float:
    """EER in [0, 1] of trials (T), as `metrics.eer`. Raises MetricError without target or non-target trials."""
    target = trials["target"].to_numpy(bool)
    return eer(trials["score"][target], trials["score"][~target])[0]


def eer_by_speaker(trials: pd.DataFrame) -> pd.Series:
    """EER in [0, 1] of every claimed speaker (S,), over the trials that claim them; by speaker, sorted.

    Each has a threshold of its own, so their mean is usually below the EER of all. Raises MetricError where a speaker
    lacks target or non-target trials.
    """
    names = sorted(trials["speaker"].unique())
    rates = [trials_eer(trials[trials["speaker"] == name]) for name in names]
    return pd.Series(rates, index=pd.Index(names, name="speaker"), name="eer", dtype=float)


def eer_spread(trials: pd.DataFrame) -> pd.Series:
    """Mean, standard deviation (divisor S - 1), lowest and highest of `eer_by_speaker`, in [0, 1]."""
    rates = eer_by_speaker(trials)
    return pd.Series({"mean": rates.mean(), "sd": rates.std(), "low": rates.min(), "high": rates.max()})


def joined_trials(trials: pd.DataFrame, count: int) -> pd.DataFrame:
    """Trials of `count` utterances of one speaker at once: their scores against a claimed speaker are averaged.

    The utterances of a speaker, sorted, are dealt out to as many groups as are full, so a group spans the recording
    session; the rest is left out. The column utterance names the first of a group.
    The mean of cosines differs from the cosine of the mean embedding by the length of that mean alone, which is the
    same for every claimed speaker; and a table of scores is all that it takes.
    """
    groups = {}
    for _, spoken in trials.groupby("trial_speaker")["utterance"]:
        full = spoken.nunique() // count
        groups |= {name: place % full for place, name in enumerate(sorted(spoken.unique())[: full * count])}
    kept = trials[trials["utterance"].isin(list(groups))]
    kept = kept.sort_values("utterance", kind="stable").assign(group=kept["utterance"].map(groups))
    keys = ["speaker", "trial_speaker", "group"]
    how = {name: "mean" if name == "score" else "first" for name in trials if name not in keys}
    return kept.groupby(keys, as_index=False).agg(how)[list(trials)]


def eer_by_joined(trials: pd.DataFrame, counts: Sequence[int] = JOINED) -> pd.DataFrame:
    """EER by the number of utterances joined: columns joined, eer in [0, 1], speakers, targets (how many trials).

    Speakers with fewer utterances drop out; NaN where no target or no non-target trial is left.
    """
    lines = []
    for count in counts:
        part = joined_trials(trials, count)
        target = part["target"].to_numpy(bool)
        rate = trials_eer(part) if target.any() and not target.all() else np.nan
        lines.append((count, rate, part["trial_speaker"].nunique(), int(target.sum())))
    return pd.DataFrame(lines, columns=["joined", "eer", "speakers", "targets"])


def linkability_1n(trials: pd.DataFrame) -> pd.DataFrame:
    """How often a test utterance scores highest with its own speaker among all enrolled ones of the gender.

    Linkability of Vauquier et al. (2025), with all N enrolled speakers as candidates and their convention that a tie
    counts as success; it is not the linkability D_sys of Gomez-Barrero et al. that VoicePrivacy reports. By legal_eval.
    Columns gender, speakers (N), utterances, linkability_1n in [0, 1], chance (1 / N). Raises MetricError where an
    utterance is not tried against every enrolled speaker of its gender, and itself among them.
    """
    lines = []
    for gender, part in trials.groupby("gender"):
        matrix = score_matrix(part)
        rate = float(np.mean(count_beaters(matrix) == 0))
        speakers = len(matrix.enroll_speakers)
        lines.append((gender, speakers, len(matrix.test_speakers), rate, 1 / speakers))
    return pd.DataFrame(lines, columns=["gender", "speakers", "utterances", "linkability_1n", "chance"])


def singling_out(trials: pd.DataFrame, *, folds: int = 10, seed: int = 0) -> pd.DataFrame:
    """How often a threshold on the scores of an enrolled speaker isolates exactly one person of a gender.

    Singling out of Vauquier et al. (2025), one utterance a conversation, all N speakers of the gender searched: in each
    of `folds` draws one utterance of every speaker is tested, and the others set the threshold. By legal_eval.
    Columns gender, speakers (N), singling_out in [0, 1], chance (what any predicate that fires on 1 of N reaches,
    1 / e). Raises MetricError as `linkability_1n` does, and where a speaker has fewer than two utterances.
    """
    lines = []
    for gender, part in trials.groupby("gender"):
        matrix = score_matrix(part)
        speakers = len(matrix.enroll_speakers)
        outcomes = []
        for fold in range(folds):
            scores = _conversations(matrix, np.random.default_rng((seed, fold)))
            found = isolated(scores, speakers, n_runs=1, seed=seed, fold=fold)
            outcomes += [outcome for runs in found.values() for outcome in runs]
        lines.append((gender, speakers, float(np.mean(outcomes)), float(np.exp(-1))))
    return pd.DataFrame(lines, columns=["gender", "speakers", "singling_out", "chance"])


def privacy_rates(trials: pd.DataFrame) -> dict[str, float]:
    """What the functions of this module find, in [0, 1]: EER by speaker (mean, highest), EER where three utterances
    are joined, linkability_1n and singling_out (means over genders), each with its chance level."""
    spread, linked, single = eer_spread(trials), linkability_1n(trials), singling_out(trials)
    return {
        "EER by speaker, mean": spread["mean"],
        "highest": spread["high"],
        "EER, 3 joined": eer_by_joined(trials, [3])["eer"].iloc[0],
        "linked": linked["linkability_1n"].mean(),
        "chance of a link": linked["chance"].mean(),
        "singled out": single["singling_out"].mean(),
        "chance of singling out": single["chance"].mean(),
    }


def score_matrix(trials: pd.DataFrame) -> ScoreMatrix:
    """Scores (S, U) of every enrolled speaker, sorted, with every utterance, sorted.

    Raises MetricError where one is missing or there twice, or where somebody who speaks is not enrolled.
    """
    if trials.duplicated(["speaker", "utterance"]).any():
        raise MetricError("a speaker is tried twice with one utterance: give trials of one row and one attacker")
    scores = trials.pivot(index="speaker", columns="utterance", values="score")
    spoken = trials.groupby("utterance")["trial_speaker"].first()
    if scores.isna().any(axis=None) or (unknown := set(spoken) - set(scores.index)):
        missing = f"'{min(unknown)}' is not enrolled" if not scores.isna().any(axis=None) else "a trial is missing"
        raise MetricError(f"every utterance must be tried against every speaker: {missing}")
    return ScoreMatrix(scores.to_numpy(float), list(scores.index), list(spoken[scores.columns]), {})


def _conversations(matrix: ScoreMatrix, rng: np.random.Generator) -> ConversationScores:
    """One utterance of every speaker, drawn at random, to be tested; the others calibrate the threshold."""
    speakers, spoken = matrix.enroll_speakers, np.array(matrix.test_speakers)
    tested, others, slices = [], [], []
    for name in speakers:
        own = rng.permutation(np.flatnonzero(spoken == name))
        if len(own) < 2:
            raise MetricError(f"singling out needs two utterances of every speaker: '{name}' has {len(own)}")
        tested.append(own[0])
        slices.append((len(others), len(others) + len(own) - 1))
        others += list(own[1:])
    return ConversationScores(speakers, speakers, matrix.scores[:, tested], matrix.scores[:, others], slices)


def eer_guards(originals: pd.DataFrame, anonymised: pd.DataFrame, *, same_gender: bool) -> list[Guard]:
    """Reasons why the EERs of a row flatter it; empty where none is known.

    Args:
        originals: trials of recordings, whatever their attacker is called.
        anonymised: trials of the row, by any number of attackers.
        same_gender: the anonymizer replaces a speaker by one of the same gender, as from a pool of that gender.

    A limit is exceeded, not met. The guards:

    - weak-attacker: EER on recordings above `WEAK_EER`.
    - few-speakers: fewer than `FEW_SPEAKERS` of a gender, or one target trial makes more than `COARSE_STEP`.
    - same-gender: `same_gender`, and no trial crosses genders, so that the gender that survives does not count.
    - above-half: an EER above 0.5.
    - stronger-attacker: an EER more than `STRONGER` above that of the strongest attacker.
    - training-useless: there is something to learn, for the lazy-informed attacker's EER is above that of recordings by
      more than `USEFUL` and one target trial; but the semi-informed one's is not lower than that by more than this.
    - training-untried: the same, and there is no semi-informed attacker.

    Raises MetricError without target or non-target trials of an attacker.
    """
    rates = {name: trials_eer(part) for name, part in anonymised.groupby("attacker", sort=False)}
    found = [_weak(trials_eer(originals)), _few(anonymised), _same_gender(anonymised, same_gender)]
    found += [_above_half(rates), _stronger(rates), _training(rates, trials_eer(originals), _step(anonymised))]
    return [guard for guard in found if guard is not None]


def _weak(rate: float) -> Guard | None:
    sentence = (
        f"The attacker has an EER of {rate:.1%} on recordings (limit {WEAK_EER:.0%}): it verifies speakers badly "
        "before anything is anonymised."
    )
    return Guard("weak-attacker", sentence) if rate > WEAK_EER else None


def _step(trials: pd.DataFrame) -> float:
    """What one target trial adds to the rate of missed targets, of the attacker with the fewest."""
    return 1 / trials[trials["target"].astype(bool)].groupby("attacker").size().min()


def _few(trials: pd.DataFrame) -> Guard | None:
    speakers = trials.groupby("gender")["speaker"].nunique()
    fewest, step = int(speakers.min()), _step(trials)
    sentence = (
        f"{fewest} speakers of gender {speakers.idxmin()} (limit {FEW_SPEAKERS}); one target trial is {100 * step:.1f} "
        f"points of missed targets (limit {100 * COARSE_STEP:.0f})."
    )
    return Guard("few-speakers", sentence) if fewest < FEW_SPEAKERS or step > COARSE_STEP else None


def _same_gender(trials: pd.DataFrame, same_gender: bool) -> Guard | None:
    genders = trials.groupby("speaker")["gender"].first()
    crosses = (trials["trial_speaker"].map(genders) != trials["gender"]).any()
    sentence = (
        "The anonymizer keeps the gender, and every trial is between two speakers of one gender: that the gender "
        "survives does not count."
    )
    return Guard("same-gender", sentence) if same_gender and not crosses else None


def _above_half(rates: dict[str, float]) -> Guard | None:
    high = [f"{name} {rate:.1%}" for name, rate in rates.items() if rate > 0.5]
    sentence = (
        f"EER above 50 % ({', '.join(high)}): non-target trials score higher than target ones, so an attacker who "
        "turns the decision round is right more often than not. It is not more private than 50 %."
    )
    return Guard("above-half", sentence) if high else None


def _stronger(rates: dict[str, float]) -> Guard | None:
    best = min(rates, key=rates.__getitem__)
    fooled = [f"{name} {rate:.1%}" for name, rate in rates.items() if rate > rates[best] + STRONGER]
    sentence = f"The {best} attacker has an EER of {rates[best]:.1%}, far below others ({', '.join(fooled)})."
    return Guard("stronger-attacker", sentence) if fooled else None


def _training(rates: dict[str, float], original: float, step: float) -> Guard | None:
    least = max(USEFUL, step)
    if LAZY not in rates or rates[LAZY] <= original + least:
        return None
    sentence = f"The lazy-informed attacker has an EER of {rates[LAZY]:.1%} (recordings: {original:.1%})"
    if SEMI not in rates:
        return Guard("training-untried", f"{sentence}; one trained on anonymised speech may have a lower one.")
    if rates[SEMI] < rates[LAZY] - least:
        return None
    sentence += f" and the semi-informed one {rates[SEMI]:.1%}: training on anonymised speech did not help."
    return Guard("training-useless", sentence)
