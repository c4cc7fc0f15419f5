"""Numbers as readable tables: each cell an estimate with its interval, as text at this last step."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from emotrace.analysis.contrasts import COLUMNS
from emotrace.show.pages import Studies

ABBREVIATIONS = re.compile(r"\b(eer|wer|uar|mos|f0|f|m)\b")  # F and M: female and male speakers


def heading(name: str) -> str:
    """A metric's name as readers expect it, without its unit: "wer_read" is "WER read"."""
    return ABBREVIATIONS.sub(lambda match: match[0].upper(), name.replace("_", " "))


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


def table2_display(table: pd.DataFrame) -> pd.DataFrame:
    """`analysis.tables.table2` for reading: cells are "estimate [low, high]" in percent, or the paper's number."""
    shown = table[["row", "source", "attacker"]].copy()
    for name in COLUMNS:
        ends = table.reindex(columns=[name, f"{name}_low", f"{name}_high"]).astype(float)
        shown[f"{heading(name)} [%]"] = [interval_text(*cell) for cell in ends.itertuples(index=False)]
    return shown


def verdicts(comparison: pd.DataFrame) -> Styler:
    """`pages.compare` for reading: one line for each pair, metric and speech."""
    shown = pd.DataFrame({"difference": comparison["line"].str.replace("\n", " "), "of": comparison["metric"]})
    shown["speech"] = comparison["speech"]
    shown["measured"] = interval_texts(comparison, "+.1f")
    shown["paper"] = number_texts(comparison["reported"], "+.2f")
    return readable(shown.assign(direction=comparison["direction"]))


def shift_table(shifts: pd.DataFrame) -> Styler:
    """Lines of `analysis.bias.SHIFTS` for reading: one of each system and recogniser.

    Recogniser, corpus and source stand behind them, where they differ from line to line.
    """
    texts = [interval_text(*line, "+.1f") for line in shifts[["shift", "low", "high"]].itertuples(index=False)]
    places = ["source", "corpus", "recogniser", "system", "emotion"]
    both = shifts.assign(text=texts).set_index(places)[["shift", "text"]].unstack(sort=False)
    shown = both["text"].reset_index()
    about = [name for name in ("recogniser", "corpus", "source") if shown[name].nunique() > 1]
    shown = shown[["system", *both["text"], *about]]
    colours = both["shift"].map("--shift:{:.0f}".format).reset_index(drop=True)
    colours = colours.reindex(columns=shown.columns, fill_value="")
    return readable(shown).apply(lambda _: colours, axis=None).set_table_attributes('class="shifts"')


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
