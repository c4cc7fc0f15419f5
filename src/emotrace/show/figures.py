"""The figures of rows and emotions: one style, one colour per row of table II and per emotion, readable on a phone.

Every figure is 4.8 inches wide: scaled to a 360-pixel column, its text is still 11 pixels high. Rows of the study are
always lines of text on the left, never a legend, so that no figure rests on colour alone. Panels are stacked: one for
each value of the column `panel` (a profile, a corpus, an isolation set), in order of appearance.
"""

import io
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from emotrace.pipeline.rows import Row, hubert_row, with_layer
from emotrace.study.groups import all_rows

WIDTH = 4.8  # inches
DPI = 150
TEXT = 10.5  # points
LINE = 0.4  # inches for one line of a panel, label of two lines included
MARK = 0.12  # inches for one of several marks in a line
HEAD = 1.0  # inches for a panel's title, axis and label

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
HUES = ("#0072B2", "#D55E00", "#E6A700", "#8C8C8C")
MARKERS = ("o", "^", "s", "D")


class Drawing(Figure):
    """A figure that notebooks show as PNG by itself: pyplot would keep it alive, and show it twice or not at all."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
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
def known_rows() -> dict[str, Row]:
    """Every row of the study and of its experiments, at every layer, by name."""
    return {row.name: row for layer in range(1, 13) for row in with_layer(all_rows(), layer)}


def row_colour(name: str) -> str:
    """The colour of a row; one at another layer (none-T3) has that of its family (none-T6), a pair of rows has none.

    A unified vocoder's row has the colour of the same IR in two stages, but for the log-mel control.
    """
    row = known_rows().get(name)
    if name in ROW_COLOURS or row is None or row.ir is None or row.ir.is_spectrogram:
        return ROW_COLOURS.get(name, OTHER_COLOUR)
    plain = hubert_row(row.ir.speaker, row.ir.layer, row.ir.post, anonymise=bool(row.anonymizer))
    return ROW_COLOURS.get(plain.name) or ROW_COLOURS.get(row.speaker, OTHER_COLOUR)


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

    Raises:
        ValueError: an empty frame, or an estimate that is not a number.
    """
    require_numbers(frame, label)
    line = LINE if hue is None else max(LINE, MARK * frame[hue].nunique())
    figure, panels = _panels_of_lines(frame, "line", line)
    for (title, part), axes in panels:
        _draw_intervals(axes, part, hue)
        axes.set(title=title, xlabel=label)
        if limits is not None:
            margin = 0.02 * (limits[1] - limits[0])  # for markers that stand on a limit
            axes.set_xlim(limits[0] - margin, limits[1] + margin)
        if zero:
            axes.axvline(0, color="black", linewidth=0.8)
    _legend(figure, figure.axes[0])
    return figure


def distribution_figure(frame: pd.DataFrame, column: str, *, label: str, log: bool = False) -> Drawing:
    """Distributions of ``column`` over utterances, one violin with quartiles for each row of the study.

    ``frame`` has columns panel, row and ``column``, one line an utterance; those without a value are left out.
    ``label`` is of the x axis, with its unit; ``log`` makes that logarithmic.
    """
    figure, panels = _panels_of_lines(frame.dropna(subset=[column]), "row")
    for (title, part), axes in panels:
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


def require_numbers(frame: pd.DataFrame, what: str, column: str = "estimate") -> None:
    """Raise ValueError for an empty frame or a value that is not a number."""
    if frame.empty or not np.isfinite(frame[column].to_numpy(float)).all():
        raise ValueError(f"{what}: nothing to draw, or an {column} that is not a number")


def stacked(heights: Sequence[float], *, more: float = 0.0, **options: object) -> tuple[Drawing, Sequence[Axes]]:
    """A figure of stacked axes of these heights, and ``more`` inches beside them; options as of `Figure.subplots`."""
    figure = Drawing(figsize=(WIDTH, more + sum(heights)), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}, squeeze=False, **options)
    return figure, axes[:, 0]


def _panels_of_lines(frame: pd.DataFrame, column: str, line: float = LINE) -> tuple[Drawing, zip]:
    """A figure, and of each panel its title and part of the frame, and axes as high as its lines need."""
    parts = frame.groupby("panel", sort=False)
    figure, panels = stacked([HEAD + line * count for count in parts[column].nunique()], sharex=True)
    for axes in panels:
        axes.tick_params(labelbottom=True)
    return figure, zip(parts, panels, strict=True)


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
        colour = EMOTION_COLOURS.get(value, HUES[index % len(HUES)])
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


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=min(6, len(labels)), frameon=False,
                      handletextpad=0.1, columnspacing=0.7)  # fmt: skip
