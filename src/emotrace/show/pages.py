"""What the pages of the book open: studies by the parameters of a page, and tables of several studies together.

A frame gathered here has the columns that `figures` draws: panel (the title of a study), line (a row of table II, or a
pair of rows), estimate, low, high and, where the paper printed the same quantity, reported; and speech, the study's
source in short.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd

from emotrace.analysis.attribution import attribution
from emotrace.analysis.contrasts import COLUMNS, differences
from emotrace.analysis.seeds import recorded_seeds
from emotrace.analysis.tables import confusion_table
from emotrace.engine.runner import RunError
from emotrace.paths import REPORTED
from emotrace.pipeline.rows import STUDIED_LAYER
from emotrace.representation.spec import ENCODERS
from emotrace.study import Study
from emotrace.study.groups import UNIFIED, lattice
from emotrace.study.profiles import Profile, get_profile
from emotrace.study.results import Results, label_of
from emotrace.study.run import works
from emotrace.study.study import StudyResults

SPEECH = {"scale": "scale (acted and read speech of people)", "phantom": "phantom (synthetic speech)"}
"""Titles of the profiles whose results are recorded, speech of people first."""
RECORDED = "scale"

Studies = Mapping[str, Results]


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


def open_experiment(group: str, n_bootstrap: int) -> dict[str, StudyResults]:
    """The recorded rows of a group of `groups.GROUPS`, e.g. "effects", of every profile that has a further row of it.

    The pseudo-speakers are the study's own, with which the experiments are recorded. Titles as of `open_studies`.

    Raises:
        RunError: no profile has such a row; the message has the command that records them.
    """
    recorded = {}
    for name, title in SPEECH.items():
        study = recorded_study(name, [group], n_bootstrap=n_bootstrap)
        if study is not None and not set(study.rows) <= {row.name for row in (*study.profile.rows, *UNIFIED)}:
            recorded[title] = study
    if not recorded:
        raise RunError(f"no results of {group} are recorded: emotrace run --rows {group} --profile {RECORDED}")
    return recorded


def shares_of_decisions(n_bootstrap: int) -> pd.DataFrame:
    """`attribution` of UAR by every encoder and usual recogniser, of each speech with all rows that it takes.

    Columns of `attribution`, and encoder and recogniser by their labels, panel and speech.

    Raises:
        RunError: no profile has results of all rows of an encoder's lattice; the message has the command.
    """
    parts = []
    for (name, title), (encoder, about) in product(SPEECH.items(), ENCODERS.items()):
        names = [row.name for row in lattice(encoder)]
        if (study := recorded_study(name, names, n_bootstrap=n_bootstrap, complete=True)) is not None:
            seeds = recorded_seeds(study.profile)
            for recogniser in study.recognisers:
                found = attribution(study, seeds=seeds, recogniser=recogniser, encoder=encoder)
                labels = {"encoder": about.label, "recogniser": label_of(recogniser)}
                parts.append(found.assign(**labels, panel=title, speech=study.source))
    if not parts:
        raise RunError(f"no results of attribution are recorded: emotrace run --rows attribution --profile {RECORDED}")
    return pd.concat(parts, ignore_index=True)


def by_speech(studies: Mapping[str, StudyResults], rows: Sequence[str] = ()) -> dict[str, dict[str, Results]]:
    """The studies of people and those of synthetic speech, as a page's two tabs show them; of some rows, or all.

    Either may be empty.
    """
    parts: dict[str, dict[str, Results]] = {"people": {}, "synthetic": {}}
    for title, results in studies.items():
        kept = tuple(row for row in rows or results.rows if row in results.rows)
        parts["synthetic" if results.source == "phantom" else "people"][title] = replace(results, rows=kept)
    return parts


def side_by_side(first: StudyResults, second: StudyResults) -> tuple[Results, list[tuple[str, str]]]:
    """Two studies of the same rows as one, and the pairs of rows in which they differ.

    A row of the second that has the name of one of the first, of other pseudo-speakers, gets its seed to its name.
    """
    names = {
        other.name: other.name if other.name != own.name else f"{other.name}, seed {second.profile.seed}"
        for own, other in zip(first.works, second.works, strict=True)
        if own.folder != other.folder
    }
    pairs = [
        (own.name, names[other.name])
        for own, other in zip(first.works, second.works, strict=True)
        if other.name in names
    ]

    def joined(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
        kept = other[other["row"].isin(list(names))]
        return pd.concat([one, kept.assign(row=kept["row"].map(names))], ignore_index=True)

    tables = {name: joined(getattr(first, name), getattr(second, name)) for name in ("utterances", "trials")}
    return replace(first, rows=(*first.rows, *names.values()), **tables), pairs


def gather(studies: Studies, table: Callable[..., pd.DataFrame], *arguments: object) -> pd.DataFrame:
    """table(study, *arguments) of every study, one below the other, with the columns panel and speech."""
    parts = [table(study, *arguments).assign(panel=title, speech=study.source) for title, study in studies.items()]
    return pd.concat(parts, ignore_index=True)


def by_recogniser(studies: Studies, table: Callable[..., pd.DataFrame], *arguments: object) -> pd.DataFrame:
    """`gather` for each recogniser of emotion of a study, its label in the column recogniser."""

    def of_each(results: Results) -> pd.DataFrame:
        return pd.concat(
            table(results, *arguments, recogniser=name).assign(recogniser=label_of(name))
            for name in results.recognisers
        )

    return gather(studies, of_each)


def confusions_beside(studies: Studies, rows: Sequence[str], recogniser: str | None = None) -> dict[str, pd.DataFrame]:
    """Confusions by a recogniser (the first) of the rows that a study has; titles name the row and the speech."""
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


@cache
def _reported() -> pd.DataFrame:
    return pd.read_csv(REPORTED, index_col="row")[list(COLUMNS)]


def reported_value(row: str, column: str) -> float:
    """A number of the paper's table II in percent; NaN where it has none, as for our controls or other layers."""
    table = _reported()
    return float(table.at[row, column]) if row in table.index and column in table else np.nan
