"""What ``emotrace evaluate`` prints: every metric that exists, original beside anonymised, and their differences."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Draws, Part, SpeakerStatistic, combination
from emotrace.analysis.contrasts import acoustic_columns
from emotrace.analysis.metrics import MetricError
from emotrace.analysis.statistics import EqualErrorRate, Mean, Recall, WordErrorRate
from emotrace.corpus.datadir import Emotion
from emotrace.corpus.files import write_text_atomic
from emotrace.pipeline.measures import Recognisers
from emotrace.pipeline.results import TRIALS, emotion_column, utterance_schema, write_parquet
from emotrace.study.results import Results

GENDERS = {"f": "female", "m": "male"}


class Measured(NamedTuple):
    """One metric of one version: its name, of what (attacker and gender, or recogniser), and how it is computed."""

    metric: str
    of: str
    lines: pd.DataFrame
    statistic: SpeakerStatistic
    factor: float = 100.0

    def part(self, sign: float = 1.0) -> Part:
        """It as a term of a contrast."""
        return Part(sign * self.factor, self.lines, self.statistic)


def write_results(folder: Path, results: Results, summary: pd.DataFrame) -> None:
    """Write utterances.parquet, trials.parquet, summary.csv and notes.txt, each atomically."""
    schema = utterance_schema(Recognisers(ser=results.recognisers, acoustics=acoustic_columns(results)))
    write_parquet(folder / "utterances.parquet", results.utterances, schema)
    write_parquet(folder / "trials.parquet", results.trials, TRIALS)
    write_text_atomic(folder / "summary.csv", summary.to_csv(index=False))
    write_text_atomic(folder / "notes.txt", "".join(f"{note}\n" for note in results.notes))


def summary_table(results: Results) -> pd.DataFrame:
    """Columns version, metric, of (attacker and gender, or recogniser), estimate, low, high, n.

    Rates in percent, acoustic features as means in their own unit. Bounds are NaN where a single speaker allows none.
    """
    return pd.DataFrame(
        {"version": row, "metric": found.metric, "of": found.of, **_interval(results, found), "n": len(found.lines)}
        for row in results.rows
        for found in _measured(results, row)
    )


def difference_table(results: Results) -> pd.DataFrame:
    """Anonymised minus original: columns metric, of, estimate, low, high; rates in percentage points.

    Both sides over the same draws of the same speakers. The attackers' EER are compared with that of the originals.
    Bounds are NaN where the speakers are too few for an interval.
    """
    columns = ["metric", "of", "estimate", "low", "high"]
    before = {_pair(found): found for found in _measured(results, results.rows[0])}
    return pd.DataFrame(
        (
            {"metric": found.metric, "of": found.of, **_difference(results, found, before[_pair(found)])}
            for found in _measured(results, results.rows[1])
            if _pair(found) in before
        ),
        columns=columns,
    )


def _pair(found: Measured) -> tuple[str, str]:
    """What a metric is compared with: EER with that of the same gender, whatever the attacker."""
    return found.metric, found.of.rpartition(", ")[2]


def _measured(results: Results, row: str) -> Iterator[Measured]:
    """Every metric that the results of a version have lines for."""
    own = results.utterances[results.utterances["row"] == row]
    everything = (*_verification(results, row), *_words(own), *_emotions(own, results.recognisers))
    acoustics = (_acoustic(own, name) for name in acoustic_columns(results))
    return (found for found in (*everything, *acoustics) if not found.lines.empty)


def _verification(results: Results, row: str) -> Iterator[Measured]:
    trials = results.trials[results.trials["row"] == row]
    for (attacker, gender), own in trials.groupby(["attacker", "gender"]):
        yield Measured("EER [%]", f"{attacker}, {GENDERS[gender]}", own, EqualErrorRate())


def _words(own: pd.DataFrame) -> Iterator[Measured]:
    yield Measured("WER [%]", "", own.dropna(subset=["word_errors"]), WordErrorRate())


def _emotions(own: pd.DataFrame, recognisers: tuple[str, ...]) -> Iterator[Measured]:
    for recogniser in recognisers:
        # without folds there was one recogniser, trained on other data, and so one fold
        column = emotion_column(recogniser)
        recognised = own.dropna(subset=[column]).fillna({"fold": "all"})
        yield Measured("UAR [%]", recogniser, recognised, Recall(column))
        for emotion in Emotion:
            lines = _with_emotion(recognised, emotion)
            yield Measured(f"recall {emotion.value} [%]", recogniser, lines, Recall(column, emotion))


def _acoustic(own: pd.DataFrame, name: str) -> Measured:
    return Measured(name, "mean", own.dropna(subset=[name]), Mean(name), 1.0)


def _with_emotion(lines: pd.DataFrame, emotion: Emotion) -> pd.DataFrame:
    """All lines when the emotion is among them, else none: a recall needs its class, its folds need the others."""
    return lines if (lines["emotion"] == emotion.value).any() else lines.iloc[:0]


def _interval(results: Results, found: Measured) -> dict[str, float]:
    """Estimate and bounds over speakers; where the speakers are too few for bounds, these are NaN."""
    try:
        return combination([found.part()], n=results.n_bootstrap, seed=results.seed)._asdict()
    except MetricError:
        return _without_bounds(_estimate(found))


def _difference(results: Results, found: Measured, before: Measured) -> dict[str, float]:
    try:
        parts = [found.part(), before.part(-1.0)]
        return combination(parts, n=results.n_bootstrap, seed=results.seed)._asdict()
    except MetricError:
        return _without_bounds(_estimate(found) - _estimate(before))


def _without_bounds(estimate: float) -> dict[str, float]:
    return {"estimate": estimate, "low": np.nan, "high": np.nan}


def _estimate(found: Measured) -> float:
    """The metric without an interval."""
    names = np.unique(found.lines[[name for name in ("speaker", "trial_speaker") if name in found.lines]].to_numpy(str))
    once = Draws("speaker", names, np.ones((1, len(names)), dtype=np.int64))
    return found.factor * float(found.statistic.weighted(found.lines, once)[0])
