"""How the small models learned: the curves of their cards, drawn."""

import pandas as pd
from matplotlib.axes import Axes

from emotrace.show.figures import DPI, WIDTH, Drawing, row_colour

HEIGHT = 1.7  # inches of a panel without its legend
LEGEND_LINE = 0.22  # inches


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
    if curves.empty or curves["value"].isna().any():
        raise ValueError("training curves: nothing to draw, or a loss that is not a number")
    parts = list(curves.groupby(["stage", "loss"], sort=False))
    heights = [HEIGHT + LEGEND_LINE * part["model"].nunique() for _, part in parts]
    figure = Drawing(figsize=(WIDTH, sum(heights)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(parts), 1, gridspec_kw={"height_ratios": heights}, squeeze=False)[:, 0]
    for ((stage, loss), part), axes in zip(parts, panels, strict=True):
        _draw_curves(axes, part)
        axes.set(title=f"{stage}: {loss}", xlabel="step", ylabel="loss")
    return figure


def _draw_curves(axes: Axes, part: pd.DataFrame) -> None:
    styles = ("-", "--", ":", "-.")  # models share colours where they share a representation
    for number, (model, own) in enumerate(part.groupby("model", sort=False)):
        axes.plot(own["step"], own["value"], styles[number % 4], color=model_colour(model), linewidth=1.4, label=model)
    axes.legend(frameon=False, loc="upper right", labelspacing=0.2, handlelength=2.2)


def model_colour(model: str) -> str:
    """The colour of the rows that a vocoder makes, e.g. of "acoustic-ECAPA-T6"; that of pairs for any other model."""
    representation = model.removeprefix("acoustic-").removeprefix("unified-").split("-seed")[0]
    for embedding in ("ECAPA", "GST"):
        representation = representation.replace(f"{embedding}-T", f"{embedding}-orig-T")
    return row_colour(representation)
