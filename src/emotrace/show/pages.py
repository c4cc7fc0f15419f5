"""What the pages of the book open: studies by the parameters of a page, and tables of several studies together.

A frame gathered here has the columns that `figures` draws: panel (the title of a study), line (a row of table II, or a
pair of rows), estimate, low, high and, where the paper printed the same quantity, reported; and speech, the study's
source in short.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np
import pandas as pd
from IPython.display import Markdown

from emotrace.analysis.contrasts import COLUMNS, EMOTIONS, TableError, differences, metric_interval
from emotrace.analysis.tables import confusion_table
from emotrace.experiments.level import RECOGNISERS, level_profile
from emotrace.paths import REPORTED
from emotrace.pipeline.rows import STUDIED_LAYER
from emotrace.study import Study
from emotrace.study.profiles import Profile, get_profile
from emotrace.study.results import Results, label_of
from emotrace.study.run import works
from emotrace.study.study import StudyResults

SPEECH = {"scale": "scale (acted and read speech of people)", "phantom": "phantom (synthetic speech)"}
"""Titles of the profiles whose results are recorded, speech of people first."""
RECORDED = "scale"
CLASSES = (*EMOTIONS, "uar")

Studies = Mapping[str, Results]
Shown = TypeVar("Shown")


def open_studies(profile: str, rows: Sequence[str], layer: int, seed: int, n_bootstrap: int) -> dict[str, StudyResults]:
    """The study that the parameters name, run where results are missing, and beside it what is recorded of real speech.

    Args:
        profile: "phantom" or "scale".
        rows: rows of table II; empty for all.
        layer: HuBERT layer that replaces T6 in the rows that have it.
        seed: of the pseudo-speakers (0: the study's own) and of the bootstrap.
        n_bootstrap: draws of speakers for an interval.

    Returns:
        Title of the panels -> study, speech of people first. The recorded study has those of the rows that were
        recorded, at the same layer.
    """
    options = {"layer": layer, "seed": seed, "n_bootstrap": n_bootstrap}
    study = Study(profile, list(rows) or None, **options)
    recorded = None if profile == RECORDED else recorded_study(RECORDED, rows, **options)
    return ({} if recorded is None else {SPEECH[RECORDED]: recorded}) | {SPEECH.get(profile, profile): study}


def recorded_study(
    profile: str | Profile,
    rows: Sequence[str] = (),
    layer: int = STUDIED_LAYER,
    seed: int = 0,
    n_bootstrap: int = 1000,
    *,
    complete: bool = False,
) -> StudyResults | None:
    """What is recorded of some rows, or groups, of a profile; all by default. Nothing is run.

    None where no row has results on disk, or with ``complete`` not every one.
    """
    profile = replace(profile if isinstance(profile, Profile) else get_profile(profile), seed=seed)
    chosen = works(profile, profile.select(list(rows) or None, layer=layer))
    names = [work.name for work in chosen if work.record.read() is not None]
    if not names or (complete and len(names) < len(chosen)):
        return None
    return Study(profile, names, layer=layer, seed=seed, n_bootstrap=n_bootstrap)


def open_recorded(n_bootstrap: int, seed: int = 0) -> dict[str, StudyResults | None]:
    """`recorded_study` of every row of each profile of SPEECH, by the profile's name."""
    return {profile: recorded_study(profile, seed=seed, n_bootstrap=n_bootstrap) for profile in SPEECH}


@dataclass(frozen=True)
class Experiment:
    """Recorded studies of one experiment by the title of their panels, and the command that records another."""

    studies: Mapping[str, StudyResults]
    command: str

    def show(self, draw: Callable[[Studies], Shown]) -> Shown | Markdown:
        """``draw`` of the studies, or a sentence that says how to record one."""
        return draw(self.studies) if self.studies else not_recorded(self.command)


def open_experiment(group: str, n_bootstrap: int, seed: int = 0) -> Experiment:
    """The rows of a group of `groups.GROUPS`, e.g. "attribution", of every profile where all of them have results."""
    options = {"seed": seed, "n_bootstrap": n_bootstrap, "complete": True}
    studies = {title: recorded_study(name, [group], **options) for name, title in SPEECH.items()}
    return Experiment(_there(studies), f"emotrace run --rows {group} --profile scale")


def open_level(n_bootstrap: int, seed: int = 0) -> Experiment:
    """The level experiment: a study for each speech and each level, by the name of its profile, where complete."""
    options = {"seed": seed, "n_bootstrap": n_bootstrap, "complete": True}
    profiles = [level_profile(get_profile(name), level) for name in SPEECH for level in RECOGNISERS]
    commands = (f"emotrace run --profile scale --level-experiment {level}" for level in RECOGNISERS)
    studies = {profile.name: recorded_study(profile, **options) for profile in profiles}
    return Experiment(_there(studies), " && ".join(commands))


def _there(studies: Mapping[str, StudyResults | None]) -> dict[str, StudyResults]:
    return {title: study for title, study in studies.items() if study is not None}


def not_recorded(command: str) -> Markdown:
    """What stands in the place of a result that is not there."""
    return Markdown(f"*No results of this experiment are recorded. `{command}` records them.*")


def gather(studies: Studies, table: Callable[..., pd.DataFrame], *arguments: object, **options: object) -> pd.DataFrame:
    """table(study, *arguments, **options) of every study, one below the other, with the columns panel and speech."""
    parts = [
        table(results, *arguments, **options).assign(panel=title, speech=results.source)
        for title, results in studies.items()
    ]
    return pd.concat(parts, ignore_index=True)


def by_recogniser(
    studies: Studies, table: Callable[..., pd.DataFrame], *arguments: object, names: Iterable[str] = ()
) -> pd.DataFrame:
    """`gather` for each recogniser of emotion and the studies that have it, its label in the column recogniser.

    ``names``: of the recognisers; all that the studies have by default.

    Raises:
        TableError: no study has a recogniser of that name.
    """
    every = dict.fromkeys(name for results in studies.values() for name in results.recognisers)
    parts = []
    for name in names or every:
        having = {title: results for title, results in studies.items() if name in results.recognisers}
        if not having:
            raise TableError(f"no study has the recogniser {name!r}; there are: {', '.join(every)}")
        parts.append(gather(having, table, *arguments, recogniser=name).assign(recogniser=label_of(name)))
    return pd.concat(parts, ignore_index=True)


def metrics_table(results: Results, metrics: Iterable[str], recogniser: str | None = None) -> pd.DataFrame:
    """Metrics of every row: columns line (the row), metric, estimate, low, high; rates in percent.

    Errors as of `metric_interval`.
    """
    return pd.DataFrame(
        {"line": row, "metric": name} | metric_interval(results, row, name, recogniser)._asdict()
        for name in metrics
        for row in results.rows
    )


def recalls_beside(studies: Studies, *recognisers: str) -> pd.DataFrame:
    """Recall of each emotion and UAR, by all recognisers or those named: percent, with the column emotion."""
    table = by_recogniser(studies, metrics_table, CLASSES, names=recognisers)
    reported = [reported_value(row, name) for row, name in zip(table["line"], table["metric"], strict=True)]
    panels = table["panel"] + "\n" + table["recogniser"]
    return table.assign(panel=panels, emotion=table["metric"], reported=reported)


def confusions_beside(studies: Studies, rows: Sequence[str], recogniser: str | None = None) -> dict[str, pd.DataFrame]:
    """Confusions of the rows that a study has; the title of each names the row and the speech."""
    return {
        f"{row}\n{results.source}": confusion_table(results, row, recogniser)
        for row in rows
        for results in studies.values()
        if row in results.rows
    }


def utterances_beside(studies: Studies, corpora: Sequence[str] = ("emotional",)) -> pd.DataFrame:
    """Per-utterance results of some corpora, for the distributions; the panel names speech and corpus."""
    table = gather(studies, lambda results: results.utterances)
    table = table[table["corpus"].isin(corpora)]
    return table.assign(panel=table["speech"] + ", " + table["corpus"] + " speech")


def compare(
    studies: Studies, pairs: Sequence[tuple[str, str]], metrics: Sequence[str], recogniser: str | None = None
) -> pd.DataFrame:
    """Paired differences first - second beside the paper's, in the metric's unit, with columns metric and direction.

    The direction says whether the interval lies on the paper's side of zero, on the other side, or on both. Pairs of
    which a study lacks a row are left out.
    """

    def changes(results: Results, name: str) -> pd.DataFrame:
        there = [pair for pair in pairs if set(pair) <= set(results.rows)]
        return differences(results, there, name, recogniser)

    table = pd.concat([gather(studies, changes, name) for name in metrics], ignore_index=True)
    pairs_of = zip(table["first"], table["second"], table["metric"], strict=True)
    reported = [reported_value(first, name) - reported_value(second, name) for first, second, name in pairs_of]
    table = table.assign(line=table["first"] + "\n− " + table["second"], reported=reported)
    table["direction"] = [_direction(*values) for values in table[["low", "high", "reported"]].itertuples(index=False)]
    return table.drop(columns=["first", "second"])


def _direction(low: float, high: float, reported: float) -> str:
    if low <= 0 <= high:
        return "undecided"
    if np.isnan(reported):
        return "up" if low > 0 else "down"
    return "as in the paper" if (low > 0) == (reported > 0) else "opposite"


def reported_value(row: str, column: str) -> float:
    """A number of the paper's table II in percent; NaN where it has none, as for our controls or other layers."""
    table = _reported()
    return float(table.at[row, column]) if row in table.index and column in table else np.nan


@cache
def _reported() -> pd.DataFrame:
    return pd.read_csv(REPORTED, index_col="row")[list(COLUMNS)]
