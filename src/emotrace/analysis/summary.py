"""What ``emotrace evaluate`` prints: every metric that exists, original beside anonymised, and their differences."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emotrace.analysis.bootstrap import UNDEFINED, Draws, Interval, Part, combination
from emotrace.analysis.contrasts import acoustic_columns
from emotrace.analysis.metrics import MetricError
from emotrace.analysis.statistics import EqualErrorRate, Mean, Recall, WordErrorRate
from emotrace.corpus.datadir import Emotion
from emotrace.corpus.files import write_text_atomic
from emotrace.pipeline.measures import Recognisers
from emotrace.pipeline.results import TRIALS, emotion_column, utterance_schema, write_parquet
from emotrace.study.results import Results

GENDERS = {"f": "female", "m": "male"}


def write_results(folder: Path, results: Results, summary: pd.DataFrame) -> None:
    """Write utterances.parquet, trials.parquet, summary.csv and notes.txt, each atomically."""
    there = results.utterances
    schema = utterance_schema(Recognisers(ser=results.recognisers, acoustics=acoustic_columns(results)))
    schema = pa.schema([column for column in schema if column.name in there])
    write_parquet(folder / "utterances.parquet", there, schema)
    write_parquet(folder / "trials.parquet", results.trials, TRIALS)
    write_text_atomic(folder / "summary.csv", summary.to_csv(index=False))
    write_text_atomic(folder / "notes.txt", "".join(f"{note}\n" for note in results.notes))


def summary_table(results: Results) -> pd.DataFrame:
    """Columns version, metric, of (attacker and gender, or recogniser), estimate, low, high, n.

    Rates in percent, acoustic features as means in their own unit. Bounds are NaN where a single speaker allows none.
    """
    return pd.DataFrame(
        {"version": row, "metric": name, "of": of, **_interval(results, part), "n": len(part.frame)}
        for row in results.rows
        for (name, of), part in _parts(results, row).items()
    )


def difference_table(results: Results) -> pd.DataFrame:
    """Anonymised minus original: columns version, metric, of, estimate, low, high; rates in percentage points.

    Both sides over the same draws of the same speakers. The attackers' EER are compared with that of the originals.
    Bounds are NaN where the speakers are too few for an interval.
    """
    original, *anonymised = results.rows
    return changes(results, [(original, row) for row in anonymised])


def changes(results: Results, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """For each pair of rows the second minus the first, columns of `difference_table`; version is the second."""
    parts = {row: _parts(results, row) for row in results.rows}
    lines = [
        {"version": after, "metric": name, "of": of, **_interval(results, part, *minus([earlier]))}
        for before, after in pairs
        for (name, of), part in parts[after].items()
        if (earlier := _before(parts[before], name, of)) is not None
    ]
    return pd.DataFrame(lines, columns=["version", "metric", "of", "estimate", "low", "high"])


def _before(parts: Mapping[tuple[str, str], Part], name: str, of: str) -> Part | None:
    """What a metric is compared with: the same, or of originals the EER of the same gender, whoever attacks."""
    return parts.get((name, of)) or parts.get((name, f"original, {of.rpartition(', ')[2]}"))


def eer_parts(results: Results, row: str, attacker: str) -> list[Part]:
    """The EER in percent against an attacker, that of each gender in equal parts; nothing where there are no trials."""
    trials = results.trials
    own = trials[(trials["row"] == row) & (trials["attacker"] == attacker)]
    genders = [lines for _, lines in own.groupby("gender")]
    return [Part(100.0 / len(genders), lines, EqualErrorRate()) for lines in genders]


def interval(results: Results, parts: Sequence[Part]) -> Interval:
    """The sum of parts over the draws of results; undefined where the speakers are too few."""
    try:
        return combination(parts, n=results.n_bootstrap, seed=results.seed)
    except MetricError:
        return UNDEFINED


def minus(parts: Iterable[Part]) -> list[Part]:
    """The same parts, to be subtracted."""
    return [part._replace(factor=-part.factor) for part in parts]


def _parts(results: Results, row: str) -> dict[tuple[str, str], Part]:
    """By name and of what it is (attacker and gender, or recogniser) every metric that a version has lines for."""
    own, trials = results.lines(row), results.trials[results.trials["row"] == row]
    parts = {
        ("EER [%]", f"{attacker}, {GENDERS[gender]}"): Part(100.0, lines, EqualErrorRate())
        for (attacker, gender), lines in trials.groupby(["attacker", "gender"])
    }
    parts["WER [%]", ""] = Part(100.0, own.dropna(subset=["word_errors"]), WordErrorRate())
    if "guard" in own:
        guarded = own.dropna(subset=["guard"]).assign(guarded=lambda lines: lines["guard"] != "")
        parts["guarded transcripts [%]", ""] = Part(100.0, guarded, Mean("guarded"))
    for recogniser in results.all_recognisers:
        column = emotion_column(recogniser)
        # without folds there was one recogniser, trained on other data, and so one fold
        recognised = own.dropna(subset=[column]).fillna({"fold": "all"})
        parts["UAR [%]", recogniser] = Part(100.0, recognised, Recall(column))
        for emotion in Emotion:
            # a recall needs its class, its folds need the others
            if emotion.value in set(recognised["emotion"]):
                parts[f"recall {emotion.value} [%]", recogniser] = Part(100.0, recognised, Recall(column, emotion))
    if "mos" in own:
        parts["predicted MOS", ""] = Part(1.0, own.dropna(subset=["mos"]), Mean("mos"))
    parts |= {(name, "mean"): Part(1.0, own.dropna(subset=[name]), Mean(name)) for name in acoustic_columns(results)}
    return {key: part for key, part in parts.items() if not part.frame.empty}


def _interval(results: Results, *parts: Part) -> dict[str, float]:
    """The sum of parts with its bounds over speakers; where the speakers are too few for bounds, these are NaN."""
    try:
        return combination(parts, n=results.n_bootstrap, seed=results.seed)._asdict()
    except MetricError:
        return {"estimate": sum(map(_estimate, parts)), "low": np.nan, "high": np.nan}


def _estimate(part: Part) -> float:
    """A part without an interval."""
    names = np.unique(part.frame[[name for name in ("speaker", "trial_speaker") if name in part.frame]].to_numpy(str))
    once = Draws("speaker", names, np.ones((1, len(names)), dtype=np.int64))
    return part.factor * float(part.statistic.weighted(part.frame, once)[0])
