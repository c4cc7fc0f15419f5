"""What all four notebooks do: open a study, put the recorded one beside it, gather tables of both, compare them.

Frames gathered here have the columns that `figures` draws: panel (which speech), line (a row of table II, or a pair of
rows), estimate, low, high and, where the paper printed the same quantity, reported.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from emotrace.analysis.bootstrap import Interval, bootstrap_interval
from emotrace.analysis.statistics import Mean
from emotrace.study import Study
from emotrace.analysis.gates import gate_table
from emotrace.experiments.cues import cue_retention
from emotrace.study.layout import Layout
from emotrace.study.profiles import Profile, get_profile
from emotrace.study.runner import read_provenance
from emotrace.analysis.tables import (
    COLUMNS,
    RECOGNISERS,
    REPORTED,
    attackers_table,
    confusion_table,
    differences,
    heading,
    recalls_table,
    table2,
    table2_display,
)

SPEECH = {"phantom": "phantom (synthetic speech)", "scale": "scale (acted and read speech of people)"}
RECORDED = "scale"
RECOGNISER_NAMES = {"ser": "functionals + SVM", "ser_second": "GE2E + SVM"}
CLASSES = ("sad", "neu", "ang", "hap", "uar")

Studies = Mapping[str, Study]


def open_studies(profile: str, rows: Sequence[str], layer: int, seed: int, n_bootstrap: int) -> dict[str, Study]:
    """The study that the parameters name, run where results are missing, and beside it what is recorded on real speech.

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
    studies = {SPEECH.get(profile, profile): Study(profile=profile, rows=list(rows) or None, **options)}
    recorded = recorded_rows(RECORDED, rows, layer=layer, seed=seed)
    if profile != RECORDED and recorded:
        studies = {SPEECH[RECORDED]: Study(profile=RECORDED, rows=recorded, **options)} | studies
    return studies


def recorded_rows(profile: str | Profile, rows: Sequence[str], *, layer: int, seed: int) -> list[str]:
    """Names of the rows of a profile that have complete results on disk, in the order of table II."""
    layout = Layout(profile if isinstance(profile, Profile) else get_profile(profile), seed=seed)
    wanted = layout.profile.select(list(rows) or None, layer=layer)
    return [row.name for row in wanted if read_provenance(layout, row) is not None]


def gather(studies: Studies, table: Callable[..., pd.DataFrame], *arguments: object, **options: object) -> pd.DataFrame:
    """table(study, *arguments, **options) of every study, one below the other, with its title in the column panel."""
    parts = [table(study, *arguments, **options).assign(panel=title) for title, study in studies.items()]
    return pd.concat(parts, ignore_index=True)


def show_provenance(studies: Studies) -> Styler:
    """Where the numbers of every row come from: one line per row and study."""
    table = pd.concat([study.provenance for study in studies.values()], ignore_index=True)
    return table.style.hide(axis="index")


def table2_beside(studies: Studies) -> pd.DataFrame:
    """Table II of every study and, once, the lines of the paper for the rows shown; each row's lines stand together.

    The paper's B3, B4 and B5 stand with B3-IR, B4-IR and B5-IR, which are equivalents of their representations alone.
    """
    table = pd.concat([table2(study) for study in studies.values()]).drop_duplicates(["row", "source"])
    fullest_first = sorted(studies.values(), key=lambda study: -len(study.rows))
    shown = dict.fromkeys(row for study in fullest_first for row in study.rows)
    order = {row: place for place, row in enumerate(shown)}
    order |= {row.removesuffix("-IR"): place for row, place in order.items()}
    table = table[table["row"].isin(order)]
    return table.sort_values("row", key=lambda rows: rows.map(order), kind="stable").reset_index(drop=True)


def recalls_beside(studies: Studies, *recognisers: str) -> pd.DataFrame:
    """Recall of each class and UAR, long: columns panel, line, emotion, estimate, low, high, reported [%]."""
    parts = []
    for recogniser in recognisers or RECOGNISERS:
        wide = gather(studies, recalls_table, recogniser)
        wide["panel"] = wide["panel"] + "\n" + RECOGNISER_NAMES[recogniser]
        parts.append(pd.concat([_one_class(wide, emotion) for emotion in CLASSES], ignore_index=True))
    table = pd.concat(parts, ignore_index=True)
    reported = [reported_value(row, emotion) for row, emotion in zip(table["line"], table["emotion"], strict=True)]
    return table.assign(reported=reported)


def _one_class(wide: pd.DataFrame, emotion: str) -> pd.DataFrame:
    kept = {"panel": "panel", "row": "line", emotion: "estimate", f"{emotion}_low": "low", f"{emotion}_high": "high"}
    return wide[list(kept)].rename(columns=kept).assign(emotion=emotion)


def confusions_beside(studies: Studies, rows: Sequence[str], recogniser: str = "ser") -> dict[str, pd.DataFrame]:
    """Confusions of the rows that a study has; the title of each names the row and the speech."""
    return {
        f"{row}\n{title.split(' (')[0]}": confusion_table(study, row, recogniser)
        for row in rows
        for title, study in studies.items()
        if row in list(study.rows)
    }


def eer_beside(studies: Studies) -> pd.DataFrame:
    """EER of every attacker [%]: columns panel (speech and gender), line, attacker, estimate, low, high."""
    table = gather(studies, attackers_table).sort_values(["panel", "gender"], kind="stable", ignore_index=True)
    genders = table["gender"].map({"f": "female", "m": "male"})
    return table.assign(panel=table["panel"] + "\n" + genders, line=table["row"])


def cues_beside(studies: Studies) -> pd.DataFrame:
    """Share of each cue's variation that a row leaves of the recordings': panel, line, cue, estimate, low, high.

    The interval is that of the row's own slope, divided by the recordings' estimate.
    """
    table = gather(studies, cue_retention)
    originals = table["estimate"] / table["retained"]
    bounds = table[["low", "high"]].div(originals, axis=0)
    table["low"], table["high"] = bounds.min(axis=1), bounds.max(axis=1)
    return table.assign(estimate=table["retained"], line=table["row"])


def share_called(studies: Studies, true: str, called: str, recogniser: str = "ser") -> pd.DataFrame:
    """Share [%] of the utterances of emotion `true` ("other": of all but `called`) that are recognised as `called`."""
    return gather(studies, _share_called, true, called, recogniser)


def _share_called(study: Study, true: str, called: str, recogniser: str) -> pd.DataFrame:
    lines = study.utterances.dropna(subset=[recogniser])
    lines = lines[lines["emotion"] != called if true == "other" else lines["emotion"] == true]
    lines = lines.assign(share=100.0 * (lines[recogniser] == called))
    found = [{"line": row, **_mean_interval(part, study)._asdict()} for row, part in lines.groupby("row", sort=False)]
    return pd.DataFrame(found)


def _mean_interval(lines: pd.DataFrame, study: Study) -> Interval:
    return bootstrap_interval(lines, Mean("share"), n=study.n_bootstrap, seed=study.seed)


def medians_beside(utterances: pd.DataFrame, columns: Sequence[str]) -> Styler:
    """Medians over the utterances of each panel and row, for reading.

    Beside them how many utterances there are, and in how many no speech, or no F0, was found.
    """
    silent = {"without speech": utterances["speech_frames"] == 0, "without F0": utterances["f0_voiced"] == 0}
    groups = utterances.assign(**silent).groupby(["row", "panel"], sort=False)
    shown = groups[list(columns)].median().round(1)
    shown = shown.assign(utterances=groups.size()).join(groups[list(silent)].sum())
    return readable(shown.astype(str).reset_index().rename(columns={"panel": "speech"}))


def emotion_order(utterances: pd.DataFrame, columns: Sequence[str]) -> Styler:
    """Emotions by their median of each column, from high to low, for each panel and row: "ang > hap > neu > sad"."""
    medians = utterances.groupby(["row", "panel", "emotion"], sort=False, observed=True)[list(columns)].median()
    orders = medians.groupby(["row", "panel"], sort=False).agg(
        lambda column: " > ".join(column.droplevel([0, 1]).sort_values(ascending=False).index)
    )
    return readable(orders.reset_index().rename(columns={"panel": "speech"}))


def compare(
    studies: Studies, pairs: Sequence[tuple[str, str]], metrics: Sequence[str], recogniser: str = "ser"
) -> pd.DataFrame:
    """Paired differences first - second, in the metric's unit, beside the paper's.

    Columns panel, line ("first - second"), metric, estimate, low, high, reported and direction: whether the interval
    lies on the paper's side of zero, on the other side, or on both.
    """
    parts = [
        differences(study, own, metric, recogniser=recogniser).assign(panel=title, metric=metric)
        for title, study in studies.items()
        for metric in metrics
        if (own := [pair for pair in pairs if set(pair) <= set(study.rows)])
    ]
    table = pd.concat(parts, ignore_index=True)
    pairs_shown = zip(table["first"], table["second"], table["metric"], strict=True)
    table["reported"] = [reported_value(one, metric) - reported_value(two, metric) for one, two, metric in pairs_shown]
    table["line"] = table["first"] + "\n− " + table["second"]
    table["direction"] = [_direction(*values) for values in table[["low", "high", "reported"]].itertuples(index=False)]
    return table[["panel", "line", "metric", "estimate", "low", "high", "reported", "direction"]]


def _direction(low: float, high: float, reported: float) -> str:
    if low <= 0 <= high:
        return "undecided"
    if np.isnan(reported):
        return "up" if low > 0 else "down"
    return "as in the paper" if (low > 0) == (reported > 0) else "opposite"


def verdicts(comparison: pd.DataFrame) -> Styler:
    """A comparison for reading: one line for each pair, metric and speech, the difference with its interval as text."""
    cells = comparison[["estimate", "low", "high"]].itertuples(index=False)
    shown = pd.DataFrame({"difference": comparison["line"].str.replace("\n", " ")})
    shown["of"] = comparison["metric"]
    shown["speech"] = comparison["panel"].str.partition(" ")[0]
    shown["measured"] = [f"{estimate:+.1f} [{low:+.1f}, {high:+.1f}]" for estimate, low, high in cells]
    shown["paper"] = ["" if np.isnan(value) else f"{value:+.2f}" for value in comparison["reported"]]
    shown["direction"] = comparison["direction"]
    return readable(shown)


def show_table2(studies: Studies) -> Styler:
    """Table II of every study beside the paper's lines, for reading."""
    shown = table2_display(table2_beside(studies))
    notes = "<br><small>" + shown.pop("source") + "<br>EER: " + shown.pop("attacker") + "</small>"
    return readable(shown.assign(row=shown["row"] + notes))


def show_gates(studies: Studies) -> Styler:
    """Whether recordings, controls and none-T1 are good enough to compare rows at all, for reading."""
    table = gather(studies, gate_table)
    values = table[["estimate", "low", "high", "unit"]].itertuples(index=False)
    shown = pd.DataFrame({"row": table["row"], "speech": table["panel"].str.partition(" ")[0]})
    heard = table["recogniser"].map(RECOGNISER_NAMES).fillna("")
    shown["of"] = table["metric"].map(heading) + ("<br><small>" + heard + "</small>").where(heard != "", "")
    shown["measured"] = [
        "undefined" if np.isnan(value) else f"{value:.2f} {unit} [{low:.2f}, {high:.2f}]"
        for value, low, high, unit in values
    ]
    shown["wanted"] = table["wanted"]
    gate = table["met"].map({True: "met", False: "missed"}).fillna("undecided")
    shown["gate"] = gate + table["surely"].map({True: ", surely", False: ""})
    return readable(shown)


def readable(table: pd.DataFrame) -> Styler:
    """A table without its index, the interval of each cell below its estimate."""
    broken = table.map(
        lambda cell: cell.replace(" [", "<br><small>[", 1).replace("]", "]</small>") if "[" in cell else cell
    )
    return broken.style.hide()


def utterances_beside(studies: Studies, corpora: Sequence[str] = ("emotional",)) -> pd.DataFrame:
    """Per-utterance results of some corpora, for the distributions; the panel names speech and corpus."""
    parts = [study.utterances.assign(panel=title.partition(" ")[0]) for title, study in studies.items()]
    table = pd.concat(parts, ignore_index=True)
    table = table[table["corpus"].isin(corpora)]
    return table.assign(panel=table["panel"] + ", " + table["corpus"] + " speech")


def reported_value(row: str, column: str) -> float:
    """A number of the paper's table II in percent; NaN where it has none, as for our controls or other layers."""
    table = _reported()
    return float(table.at[row, column]) if row in table.index and column in table else np.nan


def _reported() -> pd.DataFrame:
    return pd.read_csv(REPORTED, index_col="row")[list(COLUMNS)]
