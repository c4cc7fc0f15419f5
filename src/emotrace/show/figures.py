"""The figures of the book: one style, one colour per row of table II and per emotion, readable on a phone.

Every figure is 4.8 inches wide: its text is as large as a page's, and scaled to a 360-pixel column still 11 pixels
high. No figure rests on colour alone. Panels are stacked: one for each value of the column `panel` (a profile, a
corpus, an isolation set), in order of appearance. A figure of estimates raises ValueError for an empty frame, or an
estimate that is not a number.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import cycle
from textwrap import wrap

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from emotrace.pipeline.rows import Row, encoder_row, with_layer
from emotrace.study.groups import all_rows, counterparts

WIDTH = 4.8  # inches
DPI = 150
TEXT = 10.5  # points
LINE = 0.4  # inches for one line of a panel, label of two lines included
MARK = 0.12  # inches for one of several marks in a line
HEAD = 1.0  # inches for a panel's title, axis and label
CELL = 0.26  # inches for a line of numbers
PROBE_HEIGHT, TREND_HEIGHT = 2.4, 2.2  # inches of a panel of probes, and of one over training steps
STAIRS_HEIGHT = 2.5  # inches
LEGEND_WIDTH, LEGEND_LINE = 54, 0.2  # letters in a line of a legend, and its height in inches

# Okabe and Ito's colours, told apart by lightness too; markers repeat the difference.
EMOTION_COLOURS = {"sad": "#0072B2", "neu": "#8C8C8C", "ang": "#D55E00", "hap": "#E6A700", "uar": "#000000"}
EMOTION_MARKERS = {"sad": "v", "neu": "s", "ang": "^", "hap": "o", "uar": "D"}
EMOTION_NAMES = {"sad": "sad", "neu": "neutral", "ang": "angry", "hap": "happy", "uar": "UAR"}

# By row, or by the column "speaker" of table II. Controls are greys; a speaker embedding is a hue; the soft units are
# its dark shade.
ROW_COLOURS = {
    "original": "#000000",
    "official-control": "#5A5A5A",
    "log-mel": "#8C8C8C",
    "unified-log-mel": "#BDBDBD",
    "none-T1": "#F0C04A",
    "none": "#B97A00",
    "ECAPA-orig": "#56B4E9",
    "ECAPA-orig-T12-soft": "#0072B2",
    "GST-orig-T12-soft": "#A6467E",
    "ECAPA-anon": "#5CC9A7",
    "ECAPA-anon-T12-soft": "#00745A",
    "B3-IR": "#6A4C93",
    "B4-IR": "#9B7EBD",
    "B5-IR": "#7A5C3E",
}
OTHER_COLOUR = "#333333"  # of pairs of rows, and of rows that are not the study's
SHADES = ("#111111", "#8A8A8A", "#555555", "#B0B0B0")  # of all but emotions, rows and probes: colour is theirs
MARKERS = ("o", "^", "s", "D")
MINE, OWN_MARKERS, PLANE_HEIGHT = "#D55E00", ("*", "P", "X", "D"), 3.0  # of systems that stand among others; inches
PROBE_COLOURS = {"F0": "#0072B2", "energy": "#D55E00", "spectral tilt": "#E6A700", "phone": "#5A5A5A"}
PROBE_COLOURS |= {"emotion": "#D55E00", "speaker": "#0072B2"}  # never in one panel with the above
PROBE_MARKERS = {"F0": "o", "energy": "^", "spectral tilt": "s", "phone": "D", "emotion": "^", "speaker": "o"}
OUTCOME_NAMES = EMOTION_NAMES | {"other_called_ang": "labelled\nangry"}


class Drawing(Figure):
    """A figure that notebooks show as SVG by itself: pyplot would keep it alive, and show it twice or not at all.

    The same figure is the same text every time. What is behind it shows through, so that a dark page can turn it.
    """

    def _repr_svg_(self) -> str:
        picture = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": "emotrace"}):
            self.savefig(picture, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return picture.getvalue()


def use_style() -> None:
    """The one style of all figures: changes seaborn's and matplotlib's defaults, which importing does not."""
    rc = {
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "font.size": TEXT,
        "axes.labelsize": TEXT,
        "axes.titlesize": TEXT,
        "xtick.labelsize": TEXT,
        "ytick.labelsize": TEXT,
        "legend.fontsize": TEXT,
        "font.family": "DejaVu Sans",
        "figure.constrained_layout.use": True,
    }
    sns.set_theme(context="paper", style="whitegrid", rc=rc)


@cache
def _known_rows() -> dict[str, Row]:
    """Every row of the study and of its experiments, at every layer, by name."""
    return {row.name: row for layer in range(1, 13) for row in with_layer(all_rows(), layer)}


def row_colour(name: str) -> str:
    """The colour of a row; one at another layer (none-T3) has that of its family (none-T6), a pair of rows has none.

    A unified vocoder's row has the colour of the same IR in two stages, but for the log-mel control; that of another
    encoder has the colour of its counterpart by HuBERT.
    """
    row = _known_rows().get(name)
    if name in ROW_COLOURS or row is None or row.ir is None or row.ir.is_spectrogram:
        return ROW_COLOURS.get(name, OTHER_COLOUR)
    ir, options = row.ir, {"encoder": row.ir.linguistic, "anonymise": bool(row.anonymizer)}
    plain = encoder_row(ir.speaker, ir.layer, ir.post, **options).name
    if ir.linguistic != "hubert":
        plain = {other: own for own, other in counterparts(ir.linguistic).items()}.get(plain, plain)
    return ROW_COLOURS.get(plain) or ROW_COLOURS.get(row.speaker, OTHER_COLOUR)


def interval_figure(
    frame: pd.DataFrame,
    *,
    label: str,
    hue: str | None = None,
    zero: bool = False,
    limits: tuple[float, float] | None = None,
) -> Drawing:
    """Estimates with their intervals, one line for each value of `line`, one panel for each value of `panel`.

    Args:
        frame: columns panel, line, estimate, low, high, the column named by `hue`, and, where a paper reports the same
            quantity, reported (drawn as a cross).
        label: of the x axis, with its unit.
        hue: a column whose values share a line, each with its own colour and marker; the emotions keep theirs.
        zero: draw a line at 0, for differences.
        limits: of the x axis, in its unit.
    """
    _require_numbers(frame, label)
    line = LINE if hue is None else max(LINE, MARK * frame[hue].nunique())
    names = [] if hue is None else [EMOTION_NAMES.get(value, str(value)) for value in frame[hue].unique()]
    columns = _legend_columns([*names, "paper"], most=6)
    more = LEGEND_LINE * (len(names) // columns)  # a panel's head has room for one line
    figure, panels = stacked(frame, lambda part: HEAD + line * part["line"].nunique(), more=more, sharex=True)
    for title, part, axes in panels:
        _draw_intervals(axes, part, hue)
        axes.set(title=title, xlabel=label)
        axes.tick_params(labelbottom=True)
        if limits is not None:
            margin = 0.02 * (limits[1] - limits[0])  # for markers that stand on a limit
            axes.set_xlim(limits[0] - margin, limits[1] + margin)
        if zero:
            axes.axvline(0, color="black", linewidth=0.8)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False,
                      handletextpad=0.1, columnspacing=0.7)  # fmt: skip
    return figure


def plane_figure(frame: pd.DataFrame, *, x: str, y: str) -> Drawing:
    """Two rates of each system, as a point with both intervals; the corner at the top right keeps most of both.

    Args:
        frame: columns name, mine (whether it is one to look at), x, x_low, x_high, y, y_low, y_high.
        x, y: labels of the axes, with their units.
    """
    _require_numbers(frame.assign(estimate=frame["x"] + frame["y"]), f"{x} and {y}")
    others, own = list(frame.loc[~frame["mine"], "name"]), cycle(OWN_MARKERS)
    columns = _legend_columns(others or [""], most=3)
    height = PLANE_HEIGHT + LEGEND_LINE * (len(frame) - len(others) - (-len(others) // columns))
    figure = Drawing(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for line in frame.to_dict("records"):
        colour = MINE if line["mine"] else row_colour(line["name"])
        ends = {f"{way}err": [[line[way] - line[f"{way}_low"]], [line[f"{way}_high"] - line[way]]] for way in "xy"}
        form = {"marker": next(own) if line["mine"] else "o", "markersize": 11 if line["mine"] else 5, "linestyle": ""}
        label = line["name"]
        axes.errorbar(line["x"], line["y"], **ends, **form, color=colour, elinewidth=0.8, capsize=2, label=label)
    axes.set(xlabel=x, ylabel="\n".join(wrap(y, 26)))
    options = {"frameon": False, "handletextpad": 0.1, "columnspacing": 0.7}
    marks = dict(zip(frame["name"], axes.containers, strict=True))
    if mine := [name for name in frame["name"] if name not in others]:
        figure.legend([marks[name] for name in mine], mine, loc="outside upper center", **options)
    if others:
        marks = [marks[name] for name in others]
        figure.legend(marks, others, loc="outside lower center", ncols=columns, **options)
    return figure


def staircase_figure(frame: pd.DataFrame, *, label: str) -> Drawing:
    """Estimates from stage to stage of a system, as stairs: one line of steps for each ``series``, with its intervals.

    Args:
        frame: columns series, stage (in the order of the pipeline), estimate, low, high; NaN ends have no interval.
        label: of the y axis, with its unit.
    """
    _require_numbers(frame, label)
    figure = Drawing(figsize=(WIDTH, STAIRS_HEIGHT), dpi=DPI, layout="constrained")
    axes, stages = figure.subplots(), list(dict.fromkeys(frame["stage"]))
    for index, (name, part) in enumerate(frame.groupby("series", sort=False)):
        x = part["stage"].map(stages.index).to_numpy() + 0.12 * index
        colour = SHADES[index % len(SHADES)]
        axes.step(x, part["estimate"], where="mid", color=colour, linewidth=0.9, alpha=0.6)
        axes.vlines(x, part["low"], part["high"], colors=colour, linewidth=1.8)
        axes.scatter(x, part["estimate"], c=colour, marker=MARKERS[index % len(MARKERS)], s=30, zorder=3, label=name)
    axes.set_xticks(range(len(stages)), stages)
    axes.set(ylabel=label)
    axes.grid(False, axis="x")
    axes.legend(frameon=False, handletextpad=0.1)
    return figure


def distribution_figure(frame: pd.DataFrame, column: str, *, label: str, log: bool = False) -> Drawing:
    """Distributions of ``column`` over utterances, one violin with quartiles for each row of the study.

    ``frame`` has columns panel, row and ``column``, one line an utterance; those without a value are left out.
    ``label`` is of the x axis, with its unit; ``log`` makes that logarithmic.
    """
    frame = frame.dropna(subset=[column])
    figure, panels = stacked(frame, lambda part: HEAD + LINE * part["row"].nunique(), sharex=True)
    for title, part, axes in panels:
        axes.tick_params(labelbottom=True)
        rows = list(dict.fromkeys(part["row"]))
        sns.violinplot(
            part, x=column, y="row", hue="row", order=rows, hue_order=rows, palette=[row_colour(row) for row in rows],
            log_scale=log, cut=0, density_norm="width", inner="quart", inner_kws={"color": "black"}, linewidth=0.8,
            saturation=1, alpha=0.6, legend=False, ax=axes,
        )  # fmt: skip
        axes.axvline(part.loc[part["row"] == rows[0], column].median(), color="black", linestyle=":", linewidth=1)
        axes.set(title=title, xlabel=label, ylabel="")
    if log:
        _log_ticks(figure.axes)
    return figure


def emotion_figure(frame: pd.DataFrame, column: str, *, label: str, log: bool = False) -> Drawing:
    """Quartiles of ``column`` by row and emotion: a bar from the first to the third, a marker at the median.

    Arguments as of `distribution_figure`; ``frame`` has the column emotion too.
    """
    quartiles = frame.groupby(["panel", "row", "emotion"], sort=False)[column].quantile([0.25, 0.5, 0.75]).unstack()
    quartiles = quartiles.set_axis(["low", "estimate", "high"], axis=1).reset_index().rename(columns={"row": "line"})
    quartiles["emotion"] = pd.Categorical(quartiles["emotion"], list(EMOTION_NAMES))
    figure = interval_figure(quartiles.sort_values("emotion", kind="stable"), label=label, hue="emotion")
    if log:
        _log_ticks(figure.axes)
    return figure


def confusion_figure(confusions: Mapping[str, pd.DataFrame]) -> Drawing:
    """Confusions by title as shares of each true class, two matrices side by side, emotions in VoicePrivacy's order.

    A matrix has counts, true class (lines) x predicted class (columns).
    """
    n_lines = -(-len(confusions) // 2)
    figure = Drawing(figsize=(WIDTH, 0.8 + 2.2 * n_lines), dpi=DPI, layout="constrained")
    grid = figure.subplots(n_lines, 2, sharex=True, sharey=True, squeeze=False)
    for axes, (title, counts) in zip(grid.flat, confusions.items(), strict=False):
        shares = 100 * counts.div(counts.sum(axis=1), axis=0)
        sns.heatmap(shares, vmin=0, vmax=100, cmap="cividis", annot=True, fmt=".0f", cbar=False, square=True, ax=axes)
        axes.set_title(title, fontsize=TEXT)
        axes.set(xlabel="", ylabel="")
    if len(confusions) % 2:
        grid[-1, 1].set_visible(False)
        grid[max(0, n_lines - 2), 1].tick_params(labelbottom=True)  # now the lowest of its column
    figure.supxlabel("predicted", fontsize=TEXT)
    figure.supylabel("true (each line: 100 %)", fontsize=TEXT)
    return figure


def layer_figure(frame: pd.DataFrame) -> Drawing:
    """Scores of linear probes over representations, one line of marks for each target, one panel for each `panel`.

    Layers of one encoder are joined by a line, what is no layer stands beside them unjoined; a dotted line is the
    target's baseline, the best score of a constant.

    Args:
        frame: columns panel, representation (a categorical, whose order is the axis'), target, score (its name),
            estimate, low, high, baseline.
    """
    _require_numbers(frame, "probes")
    names = [name for name in frame["representation"].cat.categories if (frame["representation"] == name).any()]
    figure, panels = stacked(frame, lambda _: PROBE_HEIGHT, more=0.6, sharex=True)
    for title, part, axes in panels:
        _draw_probes(axes, part, names)
        axes.set(title=title, ylabel=", ".join(dict.fromkeys(part["score"])).replace("R2", "R²"))
        bottom = min(0, part["low"].min()) - 0.05
        axes.set_ylim(bottom, 1 + 0.25 * (1 - bottom))  # a score is at most 1: above it is the legend's
        step = 0.25 if bottom > -0.5 else 0.5
        axes.set_yticks(step * np.arange(np.ceil(bottom / step), 1 / step + 1))
        axes.legend(frameon=False, ncols=4, loc="upper center", handletextpad=0.1, columnspacing=0.7)
    figure.axes[-1].set_xticks(range(len(names)), names, rotation=90)
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
        for letter in "TW":
            layers = scores["representation"].astype(str).str.fullmatch(rf"{letter}\d+").to_numpy(bool)
            axes.plot(x[layers], scores["estimate"].to_numpy(float)[layers], color=colour, linewidth=0.8, alpha=0.7)
        axes.axhline(scores["baseline"].mean(), color=colour, linestyle=":", linewidth=0.9)
    axes.grid(False, axis="x")


def change_figure(frame: pd.DataFrame) -> Drawing:
    """Changes as numbers on a diverging scale: lines are what was done, columns what changed, one panel a `panel`.

    A change is marked by an asterisk where its interval excludes 0. The scale is the same in all panels.

    Args:
        frame: columns panel, line, outcome, estimate, low, high in percentage points; OUTCOME_NAMES names outcomes.
    """
    _require_numbers(frame, "changes")
    figure, panels = stacked(frame, lambda part: HEAD + CELL * part["line"].nunique())
    limit = max(1.0, float(frame["estimate"].abs().max()))
    for title, part, axes in panels:
        _draw_changes(axes, part, limit)
        axes.set_title(title, fontsize=TEXT)
    axes.set_xlabel("change [percentage points]\n* the interval excludes 0")
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
    limit: float | None = None,
) -> Drawing:
    """Estimates over training steps, or over the size of a training set: a line for each `line`, a panel a `panel`.

    Args:
        frame: columns panel, line (an emotion, "uar" or a row, whose colour it has; of a categorical, the place among
            the categories gives the marker, so that it is the same in another figure), step, estimate, low, high.
        label: of the y axis, with its unit.
        over: what the column step counts.
        limit: a value that is wanted, marked by a dotted line.
    """
    _require_numbers(frame, label)
    names = [str(name) for name in frame["line"].unique()]
    columns = _legend_columns(names, most=3)
    legend_height = LEGEND_LINE * -(-len(names) // columns)
    figure, panels = stacked(frame, lambda _: TREND_HEIGHT, more=0.4 + legend_height, sharex=True, sharey=True)
    for title, part, axes in panels:
        _draw_trends(axes, part)
        axes.set(title=title, ylabel=label)
        if limit is not None:
            axes.axhline(limit, color="black", linestyle=":", linewidth=0.9)
    axes.set_xlabel(over)
    legend = figure.axes[0].get_legend_handles_labels()
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


def _require_numbers(frame: pd.DataFrame, what: str) -> None:
    if frame.empty or not np.isfinite(frame["estimate"].to_numpy(float)).all():
        raise ValueError(f"{what}: nothing to draw, or an estimate that is not a number")


def stacked(
    frame: pd.DataFrame, height: Callable[[pd.DataFrame], float], *, more: float = 0.0, **options: object
) -> tuple[Drawing, list[tuple[str, pd.DataFrame, Axes]]]:
    """A figure, and for each value of `panel` that value, its lines of the frame and axes; one panel below the other.

    ``height``: of a panel's lines its inches; ``more``: inches beside the panels; options as of `Figure.subplots`.
    """
    parts = list(frame.groupby("panel", sort=False))
    heights = [height(part) for _, part in parts]
    figure = Drawing(figsize=(WIDTH, more + sum(heights)), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}, squeeze=False, **options)
    return figure, [(title, part, own) for (title, part), own in zip(parts, axes[:, 0], strict=True)]


def _legend_columns(names: Sequence[str], *, most: int) -> int:
    """How many columns of a legend are no wider than a figure."""
    return max(1, min(most, len(names), LEGEND_WIDTH // (max(map(len, names)) + 2)))


def _log_ticks(panels: Sequence[Axes]) -> None:
    """Ticks at 1, 2, 5, 10, ... as plain numbers: powers of ten alone leave an axis of one decade without any."""
    panels[0].set_xscale("log")
    for axes in panels:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_intervals(axes: Axes, part: pd.DataFrame, hue: str | None) -> None:
    lines = list(dict.fromkeys(part["line"]))
    groups = [(None, part)] if hue is None else list(part.groupby(hue, sort=False, observed=True))
    for index, (value, group) in enumerate(groups):
        shift = 0.0 if hue is None else 0.7 * ((index + 0.5) / len(groups) - 0.5)
        y = np.array([lines.index(line) for line in group["line"]]) + shift
        colour = EMOTION_COLOURS.get(value, SHADES[index % len(SHADES)])
        colours = [row_colour(line) if hue is None else colour for line in group["line"]]
        marker, name = EMOTION_MARKERS.get(value, MARKERS[index % len(MARKERS)]), EMOTION_NAMES.get(value, value)
        axes.hlines(y, group["low"], group["high"], colors=colours, linewidth=1.8)
        axes.scatter(group["estimate"], y, c=colours, marker=marker, s=26, zorder=3, label=name)
        if "reported" in group:
            axes.scatter(group["reported"], y, c=colours, marker="x", s=22, zorder=4, linewidths=1.2)
    if "reported" in part:
        axes.scatter([], [], c="black", marker="x", s=22, label="paper")
    axes.set_yticks(range(len(lines)), lines)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(False, axis="y")
    for boundary in range(1, len(lines)):
        axes.axhline(boundary - 0.5, color="0.85", linewidth=0.6)
