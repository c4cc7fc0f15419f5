"""Table II as a page shows it: one line a system, ours with its interval and the paper's value in the same cell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from IPython.display import HTML

from emotrace.analysis.contrasts import COLUMNS, EMOTIONS
from emotrace.analysis.seeds import row_named
from emotrace.analysis.tables import table2
from emotrace.pipeline.rows import BASELINE_ROWS
from emotrace.show.pages import Studies
from emotrace.show.tables import heading
from emotrace.study.groups import BY_ONE
from emotrace.study.results import Results, label_of

TEMPLATE = "systems.html.j2"
LESS_IS_BETTER = ("wer_read", "wer_emotional")
CONTROLS, EQUIVALENTS, OTHERS = "recordings and controls", "VoicePrivacy's representations", "other systems"


def show_table2(studies: Studies, columns: Sequence[str] = COLUMNS, *, others: bool = False) -> HTML:
    """Table II of every study, the first one shown; ``others``: what all but the first recogniser of emotion say.

    ``columns``: those of COLUMNS that are shown; a choice of rows is offered with all of them.

    A reader chooses the speech and a group of rows, sorts, and takes a CSV in which estimates, the ends of intervals
    and the paper's values are columns. The paper's B3, B4 and B5 stand in the lines of B3-IR, B4-IR and B5-IR, which
    are equivalents of their representations alone.
    """
    parts = []
    for title, results in studies.items():
        for name in results.recognisers[1:] if others else results.recognisers[:1]:
            shown = f"{title}, {label_of(name)}" if others else title
            kept = (*EMOTIONS, "uar") if others else tuple(columns)
            parts.append(_part(shown, results, table2(results, name), kept, reported=not others))
    groups = dict.fromkeys(line["group"] for part in parts for line in part["lines"] if tuple(columns) == COLUMNS)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    template = jinja2.Environment(loader=loader, **options).get_template(TEMPLATE)
    return HTML(template.render(parts=parts, groups=list(groups)))


def _part(
    title: str, results: Results, table: pd.DataFrame, columns: tuple[str, ...], *, reported: bool
) -> dict[str, Any]:
    """The title, headings and lines of one study's table."""
    printed = table[table["source"] == "reported: paper"].set_index("row")
    measured = table[table["source"] != "reported: paper"].set_index("row")
    shades = {name: _shades(measured[name], less=name in LESS_IS_BETTER) for name in columns}
    lines = []
    for row in results.rows:
        paper = printed.loc[row.removesuffix("-IR")] if reported and row.removesuffix("-IR") in printed.index else {}
        cells = [_cell(measured.loc[row], paper, name) | {"shade": shades[name][row]} for name in columns]
        lines.append({"row": row, "group": group_of(row), "cells": cells})
    headings = [{"name": heading(name), "better": "↓" if name in LESS_IS_BETTER else "↑"} for name in columns]
    return {"title": title, "headings": headings, "lines": lines, "reported": reported}


def _cell(measured: Mapping[str, float], paper: Mapping[str, float], name: str) -> dict[str, str]:
    """Estimate, ends of its interval and the paper's value as text; "" for what there is not."""
    found = {key: measured[end] for key, end in (("estimate", name), ("low", f"{name}_low"), ("high", f"{name}_high"))}
    texts = {key: "" if np.isnan(value) else f"{value:.1f}" for key, value in found.items()}
    printed = paper.get(name, np.nan)
    return texts | {"paper": "" if np.isnan(printed) else f"{printed:.2f}"}


def _shades(values: pd.Series, *, less: bool) -> dict[str, int]:
    """From 0 (the worst of a column) to 100 (its best), by row."""
    span = values.max() - values.min()
    places = 100 * (values - values.min()) / span if span > 0 else values * 0
    return {row: 0 if np.isnan(place) else round(100 - place if less else place) for row, place in places.items()}


def group_of(name: str) -> str:
    """What a row is among: the rows by an encoder, those by one network, the controls."""
    row = row_named(name.removeprefix(BY_ONE))
    if name == "original" or (row and row.ir and row.ir.is_spectrogram):
        return CONTROLS
    if row in BASELINE_ROWS:
        return EQUIVALENTS
    if row is None or row.ir is None:
        return OTHERS
    return f"{row.ir.encoder.label}, {'unified' if name.startswith(BY_ONE) else 'two stages'}"
