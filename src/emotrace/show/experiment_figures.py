"""The figures of the experiments beside table II: layer probes, changes by effects, what training does, its losses.

Style, colours and width are those of `figures`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from emotrace.show.figures import (
    EMOTION_COLOURS,
    EMOTION_MARKERS,
    EMOTION_NAMES,
    HEAD,
    MARKERS,
    OTHER_COLOUR,
    TEXT,
    Drawing,
    known_rows,
    require_numbers,
    row_colour,
    stacked,
)

OUTCOME_NAMES = EMOTION_NAMES | {"other_called_ang": "called\nangry"}
CELL = 0.26  # inches for a line of numbers
PROBE_COLOURS = {"F0": "#0072B2", "energy": "#D55E00", "spectral tilt": "#E6A700", "phone": "#5A5A5A"}
PROBE_COLOURS |= {"emotion": "#D55E00", "speaker": "#0072B2"}  # never in one panel with the above
PROBE_MARKERS = {"F0": "o", "energy": "^", "spectral tilt": "s", "phone": "D", "emotion": "^", "speaker": "o"}
PROBE_HEIGHT = 2.4  # inches of a panel of probes
TREND_HEIGHT = 2.2  # inches of a panel over training steps
LEGEND_WIDTH, LEGEND_LINE = 54, 0.2  # letters in a line of a legend, and its height in inches
LOSS_HEIGHT, LOSS_LINE = 1.7, 0.22  # inches of a panel of losses without its legend, and of a line of that
LOSS_STYLES = ("-", "--", ":", "-.")  # models share colours where they share a representation


def layer_figure(frame: pd.DataFrame) -> Drawing:
    """Scores of linear probes over representations, one line of marks for each target, one panel for each `panel`.

    Layers T0, T1, ... are joined by a line, what is no layer stands beside them unjoined; a dotted line is the target's
    baseline, the best score of a constant.

    Args:
        frame: columns panel, representation (a categorical, whose order is the axis'), target, score (its name),
            estimate, low, high, baseline.

    Raises:
        ValueError: an empty frame, or an estimate that is not a number.
    """
    require_numbers(frame, "probes")
    names = [name for name in frame["representation"].cat.categories if (frame["representation"] == name).any()]
    parts = list(frame.groupby("panel", sort=False))
    figure, panels = stacked([PROBE_HEIGHT] * len(parts), more=0.6, sharex=True)
    for (title, part), axes in zip(parts, panels, strict=True):
        _draw_probes(axes, part, names)
        axes.set(title=title, ylabel=", ".join(dict.fromkeys(part["score"])).replace("R2", "R²"))
        bottom = min(0, part["low"].min()) - 0.05
        axes.set_ylim(bottom, 1 + 0.25 * (1 - bottom))  # a score is at most 1: above it is the legend's
        step = 0.25 if bottom > -0.5 else 0.5
        axes.set_yticks(step * np.arange(np.ceil(bottom / step), 1 / step + 1))
        axes.legend(frameon=False, ncols=4, loc="upper center", handletextpad=0.1, columnspacing=0.7)
    panels[-1].set_xticks(range(len(names)), names, rotation=90)
    return figure


def _draw_probes(axes: Axes, part: pd.DataFrame, names: Sequence[str]) -> None:
    targets = list(dict.fromkeys(part["target"]))
    for index, target in enumerate(targets):
        scores = part[part["target"] == target].sort_values("representation")
        places = np.array([names.index(name) for name in scores["representation"]])
        x = places + 0.5 * ((index + 0.5) / len(targets) - 0.5)
        colour, marker = PROBE_COLOURS.get(target, OTHER_COLOUR), PROBE_MARKERS.get(target, "x")
        axes.vlines(x, scores["low"], scores["high"], colors=colour, linewidth=1.4)
        axes.scatter(x, scores["estimate"], c=colour, marker=marker, s=18, zorder=3, label=target)
        layers = scores["representation"].astype(str).str.fullmatch(r"T\d+").to_numpy(bool)
        axes.plot(x[layers], scores["estimate"].to_numpy(float)[layers], color=colour, linewidth=0.8, alpha=0.7)
        axes.axhline(scores["baseline"].mean(), color=colour, linestyle=":", linewidth=0.9)
    axes.grid(False, axis="x")


def change_figure(frame: pd.DataFrame, *, unit: str = "percentage points") -> Drawing:
    """Changes as numbers on a diverging scale: lines are what was done, columns what changed, one panel a `panel`.

    A change is marked by an asterisk where its interval excludes 0. The scale is the same in all panels.

    Args:
        frame: columns panel, line, outcome, estimate, low, high; outcomes are named by OUTCOME_NAMES.
        unit: of the estimates.

    Raises:
        ValueError: an empty frame, or an estimate that is not a number.
    """
    require_numbers(frame, "changes")
    parts = list(frame.groupby("panel", sort=False))
    figure, panels = stacked([HEAD + CELL * part["line"].nunique() for _, part in parts])
    limit = max(1.0, float(frame["estimate"].abs().max()))
    for (title, part), axes in zip(parts, panels, strict=True):
        _draw_changes(axes, part, limit)
        axes.set_title(title, fontsize=TEXT)
    panels[-1].set_xlabel(f"change [{unit}]\n* the interval excludes 0")
    return figure


def _draw_changes(axes: Axes, part: pd.DataFrame, limit: float) -> None:
    lines, outcomes = dict.fromkeys(part["line"]), dict.fromkeys(part["outcome"])
    marks = np.where((part["low"] > 0) | (part["high"] < 0), "*", "")
    shown = part.assign(text=[f"{value:+.0f}{mark}" for value, mark in zip(part["estimate"], marks, strict=True)])
    values, texts = (shown.pivot(index="line", columns="outcome", values=name) for name in ("estimate", "text"))
    order = {"index": list(lines), "columns": list(outcomes)}
    sns.heatmap(values.reindex(**order), vmin=-limit, vmax=limit, cmap="vlag", annot=texts.reindex(**order), fmt="",
                annot_kws={"size": TEXT - 1}, cbar=False, ax=axes)  # fmt: skip
    axes.set(xlabel="", ylabel="")
    axes.set_xticklabels([OUTCOME_NAMES.get(name, name) for name in outcomes], rotation=0)
    axes.tick_params(axis="y", labelrotation=0)


def trend_figure(
    frame: pd.DataFrame,
    *,
    label: str,
    over: str = "training step",
    change: int | None = None,
    limit: float | None = None,
) -> Drawing:
    """Estimates over training steps, or over the size of a training set: a line for each `line`, a panel a `panel`.

    Args:
        frame: columns panel, line (an emotion, "uar" or a row, whose colour it has; of a categorical, the place among
            the categories gives the marker, so that it is the same in another figure), step, estimate, low, high.
        label: of the y axis, with its unit.
        over: what the column step counts.
        change: the step after which the recipe is another one, marked by a dotted line.
        limit: a value that is wanted, marked by a dotted line.

    Raises:
        ValueError: an empty frame, or an estimate that is not a number.
    """
    require_numbers(frame, label)
    parts, names = list(frame.groupby("panel", sort=False)), list(map(str, dict.fromkeys(frame["line"])))
    columns = max(1, min(3, len(names), LEGEND_WIDTH // (max(map(len, names)) + 6)))
    legend_height = LEGEND_LINE * -(-len(names) // columns)
    figure, panels = stacked([TREND_HEIGHT] * len(parts), more=0.4 + legend_height, sharex=True, sharey=True)
    for (title, part), axes in zip(parts, panels, strict=True):
        _draw_trends(axes, part)
        axes.set(title=title, ylabel=label)
        if change is not None:
            axes.axvline(change, color="black", linestyle=":", linewidth=0.9)
        if limit is not None:
            axes.axhline(limit, color="black", linestyle=":", linewidth=0.9)
    panels[-1].set_xlabel(over)
    legend = panels[0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _draw_trends(axes: Axes, part: pd.DataFrame) -> None:
    """Lines, with intervals beside each other where several stand at one step."""
    lines = list(part["line"].cat.categories if part["line"].dtype == "category" else dict.fromkeys(part["line"]))
    gap = 0.012 * (part["step"].max() - part["step"].min())
    for number, name in enumerate(lines):
        if (points := part[part["line"] == name].sort_values("step")).empty:
            continue
        x = points["step"].to_numpy(float) + gap * (number - (len(lines) - 1) / 2)
        colour = EMOTION_COLOURS.get(name) or row_colour(name)
        marker = EMOTION_MARKERS.get(name) or MARKERS[number % len(MARKERS)]
        axes.vlines(x, points["low"], points["high"], colors=colour, linewidth=1.2, alpha=0.6)
        axes.plot(x, points["estimate"], color=colour, marker=marker, markersize=4, label=EMOTION_NAMES.get(name, name))


def curves_of(cards: dict[str, dict]) -> pd.DataFrame:
    """The first loss that each card lists for each stage, long: columns model, stage, loss, step, value.

    Args:
        cards: model cards by name; a stage whose record has no "curves" gives no lines.
    """
    lines = [
        {"model": model, "stage": stage, "loss": loss, "step": step, "value": value}
        for model, card in cards.items()
        for stage, record in card["training"].items()
        for loss, points in list(record.get("curves", {}).items())[:1]
        for step, value in points
    ]
    return pd.DataFrame(lines, columns=["model", "stage", "loss", "step", "value"])


def curve_figure(curves: pd.DataFrame) -> Drawing:
    """Losses over steps: one panel for each stage and loss, one line for each model.

    Args:
        curves: as `curves_of` gives them.

    Raises:
        ValueError: no curves, or a value that is not a number.
    """
    require_numbers(curves, "training curves", "value")
    parts = list(curves.groupby(["stage", "loss"], sort=False))
    figure, panels = stacked([LOSS_HEIGHT + LOSS_LINE * part["model"].nunique() for _, part in parts])
    for ((stage, loss), part), axes in zip(parts, panels, strict=True):
        for number, (model, points) in enumerate(part.groupby("model", sort=False)):
            style = LOSS_STYLES[number % len(LOSS_STYLES)]
            axes.plot(points["step"], points["value"], style, color=model_colour(model), linewidth=1.4, label=model)
        axes.legend(frameon=False, loc="upper right", labelspacing=0.2, handlelength=2.2)
        axes.set(title=f"{stage}: {loss}", xlabel="step", ylabel="loss")
    return figure


def model_colour(model: str) -> str:
    """The colour of the first row whose IR a model decodes, e.g. "acoustic-ECAPA-T6"; OTHER_COLOUR for other models."""
    rows = [row for row in known_rows().values() if row.ir is not None]
    decoded = {row.ir for row in rows if model in (f"acoustic-{row.decoder}", f"unified-{row.decoder}")}
    return next((row_colour(row.name) for row in rows if row.ir in decoded), OTHER_COLOUR)
