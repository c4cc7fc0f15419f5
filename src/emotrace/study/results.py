"""Results, whatever made them: a study, an evaluation of two folders, or frames that a test builds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from emotrace.evaluation import SER
from emotrace.pipeline.results import MATCHED, emotion_column


@dataclass(frozen=True)
class Results:
    """Lines of utterances and trials of some rows, and what an interval takes.

    Attributes:
        utterances: one line per row and utterance, columns of `pipeline.results.utterance_schema`.
        trials: one line per row, attacker and trial, columns of `pipeline.results.TRIALS`.
        rows: names of the rows, in the order of table II.
        source: whose they are, e.g. the name of a profile.
        recognisers: names of the emotion recognisers, the first of them the one that tables show.
        seed, n_bootstrap: of the intervals.
        notes: what could not be measured, and why.
        identity: what the results depend on, in the words of a row's provenance.
        audio: the file of a row and utterance, where results were made of files that are still there.
    """

    utterances: pd.DataFrame
    trials: pd.DataFrame
    rows: tuple[str, ...]
    source: str = "test"
    recognisers: tuple[str, ...] = ("functionals", "ge2e")
    seed: int = 0
    n_bootstrap: int = 1000
    notes: tuple[str, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    audio: Mapping[tuple[str, str], Path] = field(default_factory=dict, repr=False, compare=False)
    _found: dict[tuple[str | None, ...], pd.DataFrame] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def lines(self, row: str, corpus: str | None = None, *defined: str) -> pd.DataFrame:
        """The utterances of a row, of one corpus where one is named, that have values in the ``defined`` columns.

        Found once: who changes the lines changes a copy.
        """
        asked = (row, corpus, *defined)
        if asked not in self._found:
            own = self.utterances[self.utterances["row"] == row] if corpus is None else self.lines(row)
            own = own if corpus is None else own[own["corpus"] == corpus]
            self._found[asked] = own.dropna(subset=[*defined]) if defined else own
        return self._found[asked]

    @property
    def matched(self) -> tuple[str, ...]:
        """Names of the emotion recognisers of which the results hold a `MATCHED` one as well."""
        return tuple(name for name in self.recognisers if emotion_column(name + MATCHED) in self.utterances)

    @property
    def all_recognisers(self) -> tuple[str, ...]:
        """Names of the emotion recognisers, then of the `MATCHED` ones."""
        return (*self.recognisers, *(name + MATCHED for name in self.matched))

    def on(self, corpus: str) -> Results:
        """The same of ``corpus`` alone, in the place of the emotional one: the rows that were run on it."""
        if corpus == "emotional":
            return self
        there = self.utterances.loc[self.utterances["corpus"] == corpus, "row"].unique()
        tables = {
            name: table[(table["corpus"] == corpus) & table["row"].isin(there)].assign(corpus="emotional")
            for name, table in (("utterances", self.utterances), ("trials", self.trials))
        }
        return replace(self, rows=tuple(row for row in self.rows if row in there), **tables)

    def same_words(self, rows: Iterable[str]) -> Results:
        """The same without the transcripts of utterances that not all of the rows transcribe."""
        rows = list(rows)
        words = self.utterances["word_errors"].where(self.utterances["row"].isin(rows))
        counts = words.groupby([self.utterances["corpus"], self.utterances["utterance"]]).transform("count")
        kept = self.utterances["word_errors"].where(counts == len(rows))
        return replace(self, utterances=self.utterances.assign(word_errors=kept))


def label_of(recogniser: str) -> str:
    """What tables and figures call an emotion recogniser, the usual or a `MATCHED` one."""
    name = recogniser.removesuffix(MATCHED)
    return SER.find(name).label + (", matched" if name != recogniser else "")
