"""Systems of one's own among recorded rows, on the same utterances: better, worse or undecided, and a map of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from emotrace.analysis.bootstrap import Interval, Part
from emotrace.analysis.statistics import Mean, Recall, WordErrorRate
from emotrace.analysis.summary import eer_parts, interval, minus
from emotrace.engine.code import digest
from emotrace.pipeline.results import emotion_column
from emotrace.study.results import Results, label_of

ATTACKERS = ("semi-informed", "lazy-informed", "ignorant")
"""The strongest first."""
YOURS = "yours: "  # before the name of a system that a recorded row has as well


def corpus_digest(results: Results, corpus: str) -> str:
    """What tells a corpus from every other: its utterances, their speakers, emotions and folds, and the trials.

    Audio that was decoded or trimmed otherwise is the same corpus.
    """
    original = results.rows[0]
    lines = results.lines(original, corpus)[["utterance", "speaker", "emotion", "fold"]].fillna("")
    tried = results.trials[(results.trials["row"] == original) & (results.trials["corpus"] == corpus)]
    tables = (lines, tried[["speaker", "utterance", "target"]])
    return digest([sorted(table.astype(str).itertuples(index=False, name=None)) for table in tables])


def same_corpus(results: Results, recorded: Results) -> str | None:
    """The name of the corpus of recorded results that an evaluation took, see `corpus_digest`; None for another one."""
    (corpus,) = results.utterances["corpus"].unique()
    return corpus if corpus_digest(results, corpus) == corpus_digest(recorded, corpus) else None


def among_recorded(results: Results, recorded: Results) -> Results:
    """The copies of an evaluation and recorded rows, the original first; all lines of the same utterances.

    ``recorded`` are results of the same corpus, see `same_corpus`. A copy that is called as a recorded row is renamed.
    """
    original, *copies = results.rows
    corpus = same_corpus(results, recorded)
    names = {copy: f"{YOURS}{copy}" if copy in recorded.rows else copy for copy in copies}
    there = set(recorded.utterances.loc[recorded.utterances["corpus"] == corpus, "row"])
    rows = [row for row in recorded.rows if row != original and row in there]
    tables = {}
    for name in ("utterances", "trials"):
        own, theirs = getattr(results, name), getattr(recorded, name)
        theirs = theirs[theirs["row"].isin(rows) & (theirs["corpus"] == corpus)]
        tables[name] = pd.concat([own.assign(row=own["row"].replace(names)), theirs], ignore_index=True)
    shared = tuple(name for name in results.recognisers if name in recorded.recognisers)
    return replace(results, rows=(original, *names.values(), *rows), recognisers=shared, **tables)


def standing(joined: Results, systems: Sequence[str], rows: Sequence[str]) -> pd.DataFrame:
    """Each system against each row: columns system, row, metric, estimate, low, high, verdict.

    The estimate is the system minus the row, paired over the same draws of the same speakers, in the metric's unit.
    "better" and "worse" where the interval does not hold zero, else "undecided".
    """
    lines = []
    for system in systems:
        for row in rows:
            for metric, good, ours, theirs in _measured_by_both(joined, system, row):
                if not ours or not theirs:
                    continue
                found = interval(joined, [*ours, *minus(theirs)])
                lines.append({"system": system, "row": row, "metric": metric, **found._asdict()})
                lines[-1]["verdict"] = _verdict(found, good)
    return pd.DataFrame(lines, columns=["system", "row", "metric", "estimate", "low", "high", "verdict"])


def privacy_and_emotion(joined: Results, recogniser: str) -> pd.DataFrame:
    """EER against the strongest attacker that all were tried by, and UAR: a line for each row, with both intervals.

    Columns row, attacker, eer, eer_low, eer_high, uar, uar_low, uar_high; rows without either are left out.
    """
    _, *copies = joined.rows
    attacker = next((name for name in ATTACKERS if all(eer_parts(joined, row, name) for row in copies)), "")
    lines = []
    for row in joined.rows:
        trials = eer_parts(joined, row, "original" if row == joined.rows[0] else attacker)
        recall = _uar(joined, row, recogniser)
        if trials and recall:
            eer, uar = interval(joined, trials), interval(joined, recall)
            line = {"row": row, "attacker": attacker, "eer": eer.estimate, "eer_low": eer.low, "eer_high": eer.high}
            lines.append(line | {"uar": uar.estimate, "uar_low": uar.low, "uar_high": uar.high})
    return pd.DataFrame(lines)


def _measured_by_both(joined: Results, system: str, row: str) -> Iterator[tuple[str, int, list[Part], list[Part]]]:
    """A metric, 1 where more of it is better and -1 where less is, and its parts of both; none where unmeasured."""
    for attacker in ATTACKERS:
        yield f"EER, {attacker} [%]", 1, eer_parts(joined, system, attacker), eer_parts(joined, row, attacker)
    for name in joined.recognisers:
        yield f"UAR, {label_of(name)} [%]", 1, _uar(joined, system, name), _uar(joined, row, name)
    yield "WER [%]", -1, *(_mean(joined, each, 100.0, "word_errors", WordErrorRate()) for each in (system, row))
    if "mos" in joined.utterances:
        yield "predicted MOS", 1, *(_mean(joined, each, 1.0, "mos", Mean("mos")) for each in (system, row))


def _uar(joined: Results, row: str, recogniser: str) -> list[Part]:
    column = emotion_column(recogniser)
    lines = joined.lines(row).dropna(subset=[column]).fillna({"fold": "all"})
    return [] if lines.empty else [Part(100.0, lines, Recall(column))]


def _mean(joined: Results, row: str, factor: float, column: str, statistic: Mean | WordErrorRate) -> list[Part]:
    lines = joined.lines(row).dropna(subset=[column])
    return [] if lines.empty else [Part(factor, lines, statistic)]


def _verdict(change: Interval, good: int) -> str:
    if change.low > 0 or change.high < 0:
        return "better" if good * change.estimate > 0 else "worse"
    return "undecided"
