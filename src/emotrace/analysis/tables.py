"""The study's tables: table II beside the paper's, recalls, confusions and attackers, each cell with its interval.

Numbers stay numbers; `show` turns them into text.
"""

from itertools import product

import pandas as pd

from emotrace.analysis.contrasts import COLUMNS, TableError, attacker_shown, interval_of, metric_interval, recognised
from emotrace.analysis.metrics import confusion, uar
from emotrace.analysis.statistics import EqualErrorRate
from emotrace.evaluation import SEEDS
from emotrace.paths import REPORTED
from emotrace.pipeline.results import emotion_column
from emotrace.study.results import Results


def table2(results: Results, recogniser: str | None = None) -> pd.DataFrame:
    """Table II: one line per row of the results, then the paper's lines.

    Columns: row, source ("measured: <profile>" or "reported: paper"), attacker (whose EER it is), and for each of
    COLUMNS the estimate in percent, with <column>_low and <column>_high for measured lines.
    """
    measured = []
    for row in results.rows:
        line = {"row": row, "source": f"measured: {results.source}", "attacker": attacker_shown(row)}
        for name in COLUMNS:
            estimate, low, high = metric_interval(results, row, name, recogniser)
            line |= {name: estimate, f"{name}_low": low, f"{name}_high": high}
        measured.append(line)
    reported = pd.read_csv(REPORTED).assign(source="reported: paper")
    reported["attacker"] = [attacker_shown(row) for row in reported["row"]]
    kept = ["row", "source", "attacker", *COLUMNS]
    return pd.concat([pd.DataFrame(measured), reported[kept]], ignore_index=True)


def seed_spread(results: Results) -> pd.DataFrame:
    """UAR in percent by the seed of a recogniser: does a finding depend on what the recogniser happened to learn from?

    Returns columns row, recogniser, seed0, seed1, seed2, min, max, sd (of a sample), one line per row and recogniser.
    A recogniser that comes trained has seed0 alone: NaN for the others and sd. Rows without predictions are left out.

    Raises:
        TableError: results of a time without seeds.
    """
    wanted = [emotion_column(name, seed) for name in results.recognisers for seed in SEEDS]
    if missing := [column for column in wanted if column not in results.utterances]:
        raise TableError(f"the results have no column {missing[0]}: run the rows again (emotrace run)")
    lines = []
    for row, recogniser in product(results.rows, results.recognisers):
        rates = {f"seed{seed}": _uar(results, row, emotion_column(recogniser, seed)) for seed in SEEDS}
        values = pd.Series(rates)
        if values.notna().any():
            spread = {"min": values.min(), "max": values.max(), "sd": values.std()}
            lines.append({"row": row, "recogniser": recogniser} | rates | spread)
    return pd.DataFrame(lines)


def _uar(results: Results, row: str, column: str) -> float:
    """UAR in percent of one column of predictions; NaN where it is empty."""
    lines = recognised(results, row, column)
    return float("nan") if lines.empty else 100 * uar(list(lines["emotion"]), list(lines[column]), list(lines["fold"]))


def confusion_table(results: Results, row: str, recogniser: str | None = None) -> pd.DataFrame:
    """Counts of utterances, true emotions (lines) x predicted emotions (columns), in VoicePrivacy's order."""
    column = emotion_column(recogniser or results.recognisers[0])
    lines = recognised(results, row, column)
    return confusion(list(lines["emotion"]), list(lines[column]))


def attackers_table(results: Results) -> pd.DataFrame:
    """EER in percent: columns row, corpus, attacker, gender, estimate, low, high, trials.

    No trial crosses corpora, so trials of two corpora are never put together.
    """
    keys = ["row", "corpus", "attacker", "gender"]
    return pd.DataFrame(
        dict(zip(keys, key, strict=True))
        | interval_of(results, trials, EqualErrorRate())._asdict()
        | {"trials": len(trials)}
        for key, trials in results.trials.groupby(keys, sort=False)
    )
