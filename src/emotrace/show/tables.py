"""Numbers as readable tables: each cell an estimate with its interval, as text at this last step."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from emotrace.analysis.attribution import attribution
from emotrace.analysis.contrasts import COLUMNS
from emotrace.analysis.gates import gate_table
from emotrace.analysis.tables import seed_spread, table2
from emotrace.evaluation import SEEDS
from emotrace.experiments.effects import manipulation_table, relabelled
from emotrace.experiments.variants import METRICS, OF_EMOTION, adversarial_change, model_spread
from emotrace.pipeline.rows import EFFECT_MARK
from emotrace.show.pages import Studies, by_recogniser, gather, metrics_table
from emotrace.study.results import label_of

HEADINGS = {
    "eer_f": "EER F",
    "eer_m": "EER M",
    "wer_read": "WER read",
    "wer_emotional": "WER emotional",
    "uar": "UAR",
    "f0_error": "F0 error",
}


def heading(name: str) -> str:
    """A metric's name as readers expect it, without its unit: "wer_read" is "WER read"."""
    return HEADINGS.get(name, name.replace("_", " "))


def interval_text(estimate: float, low: float, high: float, form: str = ".1f", unit: str = "") -> str:
    """ "50.1 [45.0, 55.2]"; the number alone, with two decimals as the paper prints it, where no interval is known."""
    if np.isnan(estimate):
        return ""
    return f"{estimate:{form}}{unit} [{low:{form}}, {high:{form}}]" if not np.isnan(low) else f"{estimate:.2f}{unit}"


def interval_texts(frame: pd.DataFrame, form: str = ".1f") -> list[str]:
    """`interval_text` of the columns estimate, low and high."""
    values = frame[["estimate", "low", "high"]].astype(float)
    return [interval_text(*line, form) for line in values.itertuples(index=False)]


def number_texts(values: pd.Series, form: str = ".1f") -> list[str]:
    """Numbers as text, nothing for NaN."""
    return ["" if np.isnan(value) else format(value, form) for value in values]


def readable(table: pd.DataFrame) -> Styler:
    """A table without its index, the interval of each cell below its estimate."""
    broken = table.map(
        lambda cell: cell.replace(" [", "<br><small>[", 1).replace("]", "]</small>") if "[" in cell else cell
    )
    return broken.style.hide()


def table2_display(table: pd.DataFrame, *, digits: int = 1) -> pd.DataFrame:
    """`analysis.tables.table2` for reading: cells are "estimate [low, high]" in percent, or the paper's number."""
    shown = table[["row", "source", "attacker"]].copy()
    for name in COLUMNS:
        ends = table.reindex(columns=[name, f"{name}_low", f"{name}_high"]).astype(float)
        shown[f"{heading(name)} [%]"] = [interval_text(*cell, f".{digits}f") for cell in ends.itertuples(index=False)]
    return shown


def table2_beside(studies: Studies) -> pd.DataFrame:
    """Table II of every study and, once, the lines of the paper for the rows shown; each row's lines stand together.

    The paper's B3, B4 and B5 stand with B3-IR, B4-IR and B5-IR, which are equivalents of their representations alone.
    """
    table = pd.concat([table2(results) for results in studies.values()]).drop_duplicates(["row", "source"])
    fullest_first = sorted(studies.values(), key=lambda results: -len(results.rows))
    shown = dict.fromkeys(row for results in fullest_first for row in results.rows)
    order = {row: place for place, row in enumerate(shown)}
    order |= {row.removesuffix("-IR"): place for row, place in order.items()}
    table = table[table["row"].isin(order)]
    return table.sort_values("row", key=lambda rows: rows.map(order), kind="stable").reset_index(drop=True)


def show_table2(studies: Studies) -> Styler:
    """Table II of every study beside the paper's lines, for reading."""
    shown = table2_display(table2_beside(studies))
    notes = "<br><small>" + shown.pop("source") + "<br>EER: " + shown.pop("attacker") + "</small>"
    return readable(shown.assign(row=shown["row"] + notes))


def show_gates(studies: Studies) -> Styler:
    """Whether recordings, controls and none-T1 are good enough to compare rows at all, for reading."""
    table = gather(studies, gate_table)
    labels = [f"<br><small>{label_of(name)}</small>" if name else "" for name in table["recogniser"]]
    shown = table[["row", "speech"]].assign(of=table["metric"].map(heading) + labels)
    values = table[["estimate", "low", "high", "unit"]].itertuples(index=False)
    texts = [interval_text(*interval, ".2f", f" {unit}") for *interval, unit in values]
    gate = table["met"].map({True: "met", False: "missed"}).fillna("undecided")
    gate += table["surely"].map({True: ", surely", False: ""})
    return readable(shown.assign(measured=[text or "undefined" for text in texts], wanted=table["wanted"], gate=gate))


def verdicts(comparison: pd.DataFrame) -> Styler:
    """`pages.compare` for reading: one line for each pair, metric and speech."""
    shown = pd.DataFrame({"difference": comparison["line"].str.replace("\n", " "), "of": comparison["metric"]})
    shown["speech"] = comparison["speech"]
    shown["measured"] = interval_texts(comparison, "+.1f")
    shown["paper"] = number_texts(comparison["reported"], "+.2f")
    return readable(shown.assign(direction=comparison["direction"]))


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


def show_provenance(studies: Studies) -> Styler:
    """Where the numbers of every row come from: one line per row and study."""
    return pd.concat([study.provenance for study in studies.values()], ignore_index=True).style.hide(axis="index")


def attribution_table(studies: Studies) -> Styler:
    """The shares of the loss of UAR with their intervals, and their range over the orders of the decisions."""
    shares = by_recogniser(studies, attribution).rename(columns={"loss": "estimate"})
    shown = shares[["decision", "text", "speech", "recogniser"]].rename(columns={"text": "what it is"})
    shown["loss of UAR"] = interval_texts(shares, "+.1f")
    orders = zip(shares["least"], shares["most"], strict=True)
    shown["over all orders"] = ["" if pd.isna(least) else f"{least:+.1f} to {most:+.1f}" for least, most in orders]
    return readable(shown)


def recogniser_seeds(studies: Studies) -> Styler:
    """UAR by the sample that a recogniser learned from: seeds 0, 1 and 2."""
    spread = gather(studies, seed_spread)
    shown = spread[["row", "speech"]].assign(recogniser=spread["recogniser"].map(label_of))
    for column in (*(f"seed{seed}" for seed in SEEDS), "sd"):
        shown[column] = number_texts(spread[column])
    return readable(shown)


def model_seeds(studies: Studies) -> Styler:
    """Rows whose acoustic model was trained from two seeds: both, and their paired difference."""
    spread = gather(studies, model_spread)
    shown = spread[["row", "speech"]].assign(of=spread["metric"].map(heading))
    for seed in ("seed0", "seed1"):
        shown[f"{seed} [%]"] = number_texts(spread[seed])
    return readable(shown.assign(**{"difference [points]": interval_texts(spread, "+.1f")}))


def manipulations(studies: Studies) -> Styler:
    """Whether the effects did to the acoustics what they were meant to, and how many utterances change their label."""
    table, keys = gather(studies, manipulation_table), ["speech", "row", "effect"]
    goals = ["" if np.isnan(goal) else f" (wanted {goal:.2f})" for goal in table["wanted"]]
    table["cell"] = table["median"].map("{:.2f}".format) + goals
    shown = table.pivot(index=keys, columns="quantity", values="cell")
    for label, shares in by_recogniser(studies, relabelled).groupby("recogniser", sort=False):
        shown[f"relabelled, {label} [%]"] = shares.set_index(keys)["estimate"].map("{:.1f}".format)
    in_order = table[keys].drop_duplicates().itertuples(index=False, name=None)
    return readable(shown.loc[in_order].reset_index())


def level_table(studies: Studies) -> Styler:
    """UAR and recall of angry of every row of the level experiment, with and without level normalisation."""
    table = gather(studies, metrics_table, ("uar", "ang"))
    table = table.assign(cell=interval_texts(table), row=table["line"].str.replace(EFFECT_MARK, ", "))
    cells = table.set_index(["row", "panel", "metric"])["cell"].unstack(sort=False).rename_axis(columns=None)
    rows = list(dict.fromkeys(table["row"]))
    shown = cells.reset_index().rename(columns={"panel": "recogniser"})
    return readable(shown.sort_values("row", key=lambda names: names.map(rows.index), kind="stable"))


def discriminator_table(studies: Studies) -> Styler:
    """What the steps with discriminators change: a line for each metric and recogniser, a column for each vocoder."""
    others = [name for name in METRICS if name not in OF_EMOTION]
    of_emotion = by_recogniser(studies, adversarial_change, OF_EMOTION)
    table = pd.concat([of_emotion, gather(studies, adversarial_change, others).assign(recogniser="")])
    table = table.assign(of=table["metric"].map(heading), change=interval_texts(table, "+.1f"))
    return readable(table.set_index(["speech", "of", "recogniser", "row"])["change"].unstack(sort=False).reset_index())
