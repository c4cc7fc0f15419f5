"""What ``emotrace evaluate`` prints: every metric that exists, original beside anonymised."""

import numpy as np
import pandas as pd

from emotrace.corpus.datadir import Emotion
from emotrace.evaluation.bootstrap import Draws, SpeakerStatistic, bootstrap_interval
from emotrace.evaluation.metrics import MetricError
from emotrace.evaluation.statistics import EqualErrorRate, Mean, Recall, WordErrorRate
from emotrace.study.directories import Evaluation
from emotrace.study.tables import ACOUSTIC_COLUMNS, RECOGNISERS

GENDERS = {"f": "female", "m": "male"}


def summary_table(evaluation: Evaluation) -> pd.DataFrame:
    """Columns version, metric, of (attacker and gender, or recogniser), estimate, low, high, n.

    Rates in percent, acoustic features as means in their own unit. Bounds are NaN where a single speaker allows none.
    """
    lines = []
    for row in evaluation.rows:
        lines += _verification(evaluation, row)
        own = evaluation.utterances[evaluation.utterances["row"] == row]
        transcribed = own.dropna(subset=["word_errors"])
        lines += [_line(evaluation, row, "WER [%]", "", transcribed, WordErrorRate(), 100)]
        for recogniser in RECOGNISERS:
            # without folds there was one recogniser, trained on other data, and so one fold
            recognised = own.dropna(subset=[recogniser]).fillna({"fold": "all"})
            for emotion in (None, *Emotion):
                of = recognised if emotion is None else _with_emotion(recognised, emotion)
                name = "UAR [%]" if emotion is None else f"recall {emotion.value} [%]"
                lines += [_line(evaluation, row, name, recogniser, of, Recall(recogniser, emotion), 100)]
        for name in ACOUSTIC_COLUMNS:
            lines += [_line(evaluation, row, name, "mean", own.dropna(subset=[name]), Mean(name), 1)]
    return pd.DataFrame([line for line in lines if line is not None])


def _verification(evaluation: Evaluation, row: str) -> list[dict[str, object] | None]:
    trials = evaluation.trials[evaluation.trials["row"] == row]
    return [
        _line(evaluation, row, "EER [%]", f"{attacker}, {GENDERS[gender]}", own, EqualErrorRate(), 100)
        for (attacker, gender), own in trials.groupby(["attacker", "gender"])
    ]


def _with_emotion(lines: pd.DataFrame, emotion: Emotion) -> pd.DataFrame:
    """All lines when the emotion is among them, else none: a recall needs its class, its folds need the others."""
    return lines if (lines["emotion"] == emotion.value).any() else lines.iloc[:0]


def _line(
    evaluation: Evaluation,
    row: str,
    name: str,
    of: str,
    lines: pd.DataFrame,
    statistic: SpeakerStatistic,
    factor: float,
) -> dict[str, object] | None:
    if lines.empty:
        return None
    values = _interval(evaluation, lines, statistic)
    bounds = dict(zip(("estimate", "low", "high"), (factor * value for value in values), strict=True))
    return {"version": row, "metric": name, "of": of, **bounds, "n": len(lines)}


def _interval(evaluation: Evaluation, lines: pd.DataFrame, statistic: SpeakerStatistic) -> tuple[float, float, float]:
    """Estimate and bounds over speakers; where the speakers are too few for bounds, these are NaN."""
    try:
        return tuple(bootstrap_interval(lines, statistic, n=evaluation.n_bootstrap, seed=evaluation.seed))
    except MetricError:
        names = np.unique(lines[[name for name in ("speaker", "trial_speaker") if name in lines]].to_numpy(str))
        once = Draws("speaker", names, np.ones((1, len(names)), dtype=np.int64))
        return float(statistic.weighted(lines, once)[0]), float("nan"), float("nan")
