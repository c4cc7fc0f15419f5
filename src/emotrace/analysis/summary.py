"""What ``emotrace evaluate`` prints: every metric that exists, original beside anonymised, and their differences."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from emotrace.corpus.datadir import Emotion
from emotrace.analysis.bootstrap import Draws, SpeakerStatistic, bootstrap_interval, paired_difference
from emotrace.analysis.metrics import MetricError
from emotrace.analysis.statistics import EqualErrorRate, Mean, Recall, WordErrorRate
from emotrace.study.directories import Evaluation
from emotrace.analysis.tables import ACOUSTIC_COLUMNS, RECOGNISERS

GENDERS = {"f": "female", "m": "male"}


class Measured(NamedTuple):
    """One metric of one version: its name, of what (attacker and gender, or recogniser), and how it is computed."""

    metric: str
    of: str
    lines: pd.DataFrame
    statistic: SpeakerStatistic
    factor: float = 100.0


def summary_table(evaluation: Evaluation) -> pd.DataFrame:
    """Columns version, metric, of (attacker and gender, or recogniser), estimate, low, high, n.

    Rates in percent, acoustic features as means in their own unit. Bounds are NaN where a single speaker allows none.
    """
    return pd.DataFrame(
        {"version": row, "metric": found.metric, "of": found.of, **_interval(evaluation, found), "n": len(found.lines)}
        for row in evaluation.rows
        for found in _measured(evaluation, row)
    )


def difference_table(evaluation: Evaluation) -> pd.DataFrame:
    """Anonymised minus original: columns metric, of, estimate, low, high; rates in percentage points.

    Both sides over the same draws of the same speakers. The attackers' EER are compared with that of the originals.
    Bounds are NaN where the speakers are too few for an interval.
    """
    columns = ["metric", "of", "estimate", "low", "high"]
    before = {_pair(found): found for found in _measured(evaluation, evaluation.rows[0])}
    return pd.DataFrame(
        (
            {"metric": found.metric, "of": found.of, **_difference(evaluation, found, before[_pair(found)])}
            for found in _measured(evaluation, evaluation.rows[1])
            if _pair(found) in before
        ),
        columns=columns,
    )


def _pair(found: Measured) -> tuple[str, str]:
    """What a metric is compared with: EER with that of the same gender, whatever the attacker."""
    return found.metric, found.of.rpartition(", ")[2]


def _measured(evaluation: Evaluation, row: str) -> Iterator[Measured]:
    """Every metric that the results of a version have lines for."""
    own = evaluation.utterances[evaluation.utterances["row"] == row]
    everything = (*_verification(evaluation, row), *_words(own), *_emotions(own), *_acoustics(own))
    return (found for found in everything if not found.lines.empty)


def _verification(evaluation: Evaluation, row: str) -> Iterator[Measured]:
    trials = evaluation.trials[evaluation.trials["row"] == row]
    for (attacker, gender), own in trials.groupby(["attacker", "gender"]):
        yield Measured("EER [%]", f"{attacker}, {GENDERS[gender]}", own, EqualErrorRate())


def _words(own: pd.DataFrame) -> Iterator[Measured]:
    yield Measured("WER [%]", "", own.dropna(subset=["word_errors"]), WordErrorRate())


def _emotions(own: pd.DataFrame) -> Iterator[Measured]:
    for recogniser in RECOGNISERS:
        # without folds there was one recogniser, trained on other data, and so one fold
        recognised = own.dropna(subset=[recogniser]).fillna({"fold": "all"})
        yield Measured("UAR [%]", recogniser, recognised, Recall(recogniser))
        for emotion in Emotion:
            lines = _with_emotion(recognised, emotion)
            yield Measured(f"recall {emotion.value} [%]", recogniser, lines, Recall(recogniser, emotion))


def _acoustics(own: pd.DataFrame) -> Iterator[Measured]:
    for name in ACOUSTIC_COLUMNS:
        yield Measured(name, "mean", own.dropna(subset=[name]), Mean(name), 1.0)


def _with_emotion(lines: pd.DataFrame, emotion: Emotion) -> pd.DataFrame:
    """All lines when the emotion is among them, else none: a recall needs its class, its folds need the others."""
    return lines if (lines["emotion"] == emotion.value).any() else lines.iloc[:0]


def _interval(evaluation: Evaluation, found: Measured) -> dict[str, float]:
    """Estimate and bounds over speakers; where the speakers are too few for bounds, these are NaN."""
    options = {"n": evaluation.n_bootstrap, "seed": evaluation.seed}
    try:
        return _scaled(found, *bootstrap_interval(found.lines, found.statistic, **options))
    except MetricError:
        return _scaled(found, _estimate(found), np.nan, np.nan)


def _difference(evaluation: Evaluation, found: Measured, before: Measured) -> dict[str, float]:
    options = {"n": evaluation.n_bootstrap, "seed": evaluation.seed}
    try:
        return _scaled(found, *paired_difference(found.lines, before.lines, found.statistic, **options))
    except MetricError:
        return _scaled(found, _estimate(found) - _estimate(before), np.nan, np.nan)


def _scaled(found: Measured, *values: float) -> dict[str, float]:
    return dict(zip(("estimate", "low", "high"), (found.factor * value for value in values), strict=True))


def _estimate(found: Measured) -> float:
    """The metric without an interval."""
    names = np.unique(found.lines[[name for name in ("speaker", "trial_speaker") if name in found.lines]].to_numpy(str))
    once = Draws("speaker", names, np.ones((1, len(names)), dtype=np.int64))
    return float(found.statistic.weighted(found.lines, once)[0])
