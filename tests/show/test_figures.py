"""The figures: what is drawn stands where the frame says, and nothing rests on colour alone."""

import io
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors

from emotrace.show import figures
from emotrace.study.groups import counterparts

ROWS = ("original", "none-T1", "ECAPA-anon-T12-soft")
EMOTIONS = ("sad", "neu", "ang", "hap")


@pytest.fixture
def intervals() -> pd.DataFrame:
    lines = [
        {
            "panel": panel,
            "line": row,
            "emotion": emotion,
            "estimate": 10.0 * k,
            "low": 10.0 * k - 5,
            "high": 10.0 * k + 5,
        }
        for panel in ("phantom", "scale")
        for row in ROWS
        for k, emotion in enumerate(EMOTIONS, start=1)
    ]
    return pd.DataFrame(lines)


@pytest.fixture
def utterances() -> pd.DataFrame:
    lines = [
        {"panel": "phantom", "row": row, "emotion": emotion, "kurtosis": float(value)}
        for row in ROWS
        for k, emotion in enumerate(EMOTIONS, start=1)
        for value in (2 * k, 3 * k, 4 * k)
    ]
    return pd.DataFrame(lines)


def test_intervals_stand_where_the_frame_says(intervals):
    axes = figures.interval_figure(intervals, label="recall [%]", hue="emotion").axes
    assert [panel.get_title() for panel in axes] == ["phantom", "scale"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == list(ROWS)
    drawn = np.concatenate(
        [points.get_offsets()[:, 0] for points in axes[0].collections if points.get_label() == "angry"]
    )
    assert drawn.tolist() == [30.0] * len(ROWS)


def test_the_paper_is_a_cross(intervals):
    axes = figures.interval_figure(intervals.assign(reported=33.0), label="recall [%]", hue="emotion").axes[0]
    assert "paper" in axes.get_legend_handles_labels()[1]


def test_an_estimate_that_is_not_a_number_is_refused(intervals):
    intervals.loc[3, "estimate"] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        figures.interval_figure(intervals, label="recall [%]")


def test_emotion_figure_draws_medians(utterances):
    axes = figures.emotion_figure(utterances, "kurtosis", label="kurtosis").axes[0]
    medians = {points.get_label(): set(points.get_offsets()[:, 0]) for points in axes.collections}
    assert {name: medians[name] for name in ("sad", "neutral", "angry", "happy")} == {
        "sad": {3.0},
        "neutral": {6.0},
        "angry": {9.0},
        "happy": {12.0},
    }


def test_distribution_has_one_shape_per_row(utterances):
    axes = figures.distribution_figure(utterances, "kurtosis", label="kurtosis", log=True).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ROWS)
    assert axes.get_xscale() == "log"


def test_confusions_are_shares_of_the_true_class():
    counts = pd.DataFrame([[3, 1, 0, 0], [0, 2, 2, 0], [0, 0, 5, 0], [1, 0, 0, 1]], EMOTIONS, EMOTIONS)
    axes = figures.confusion_figure({"original": counts}).axes[0]
    shown = [int(text.get_text()) for text in axes.texts]
    assert shown == [75, 25, 0, 0, 0, 50, 50, 0, 0, 0, 100, 0, 50, 0, 0, 50]


def test_same_picture_twice_and_the_page_shows_through(intervals):
    pictures = [figures.interval_figure(intervals, label="recall [%]", hue="emotion")._repr_svg_() for _ in range(2)]
    assert pictures[0] == pictures[1]
    ground = next(part for part in ElementTree.fromstring(pictures[0]).iter() if part.get("id") == "patch_1")
    assert "fill: none" in ground[0].get("style") or "opacity: 0" in ground[0].get("style")


def test_a_row_at_another_layer_keeps_its_colour():
    assert figures.row_colour("none-T3") == figures.row_colour("none-T6") != figures.row_colour("none-T1")
    assert figures.row_colour("ECAPA-anon-T3") == figures.row_colour("ECAPA-anon-T6")
    assert figures.row_colour("none-T1\n− original") == figures.OTHER_COLOUR == figures.row_colour("mine")


def test_a_unified_vocoders_row_has_the_colour_of_its_ir():
    assert figures.row_colour("unified-none-T1@step300") == figures.row_colour("unified-none-T1")
    assert figures.row_colour("unified-none-T1") == figures.ROW_COLOURS["none-T1"]
    assert figures.row_colour("unified-log-mel") != figures.row_colour("log-mel")


def test_a_row_of_another_encoder_has_the_colour_of_its_counterpart():
    for own, other in counterparts("whisper").items():
        assert figures.row_colour(other) == figures.row_colour(own)


def test_emotions_are_told_apart_without_hue():
    """Rec. 709 luminance: what is left of a colour in a grey print; the markers differ as well."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    grey = sorted(float(weights @ np.array(colors.to_rgb(figures.EMOTION_COLOURS[name]))) for name in EMOTIONS)
    assert min(np.diff(grey)) > 0.03
    assert len({figures.EMOTION_MARKERS[name] for name in EMOTIONS}) == len(EMOTIONS)


@pytest.fixture
def probes() -> pd.DataFrame:
    names = ["T0", "T1", "soft units", "ECAPA"]
    lines = [
        {"panel": panel, "representation": name, "target": target, "estimate": 0.1 * k, "low": 0.0, "high": 0.5}
        for panel, targets in (("frame by frame", ("F0", "phone")), ("utterance", ("emotion",)))
        for target in targets
        for k, name in enumerate(names)
        if (panel, name) != ("frame by frame", "ECAPA")
    ]
    table = pd.DataFrame(lines).assign(baseline=0.25, score="R2")
    return table.assign(representation=pd.Categorical(table["representation"], [*names, "GST"], ordered=True))


def test_probes_stand_over_their_representation_and_only_layers_are_joined(probes):
    axes = figures.layer_figure(probes).axes
    assert [panel.get_title() for panel in axes] == ["frame by frame", "utterance"]
    assert {panel.get_ylabel() for panel in axes} == {"R²"}
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == ["T0", "T1", "soft units", "ECAPA"]
    drawn = {points.get_label(): points.get_offsets() for points in axes[0].collections}
    assert set(drawn) >= {"F0", "phone"}
    assert np.round(drawn["F0"][:, 0]).tolist() == [0, 1, 2] and drawn["F0"][:, 1].tolist() == [0.0, 0.1, 0.2]
    joined = [list(line.get_ydata()) for line in axes[0].lines if len(line.get_xdata()) == 2]
    assert joined.count([0.0, 0.1]) == 2 and joined.count([0.25, 0.25]) == 2
    with pytest.raises(ValueError, match="not a number"):
        figures.layer_figure(probes.assign(estimate=np.nan))


def test_the_trend_of_a_training_has_a_line_for_each_emotion():
    steps = [300, 1000, 2900]
    lines = [
        {"panel": panel, "line": name, "step": step, "estimate": 50 + step / 100 + place, "low": 40, "high": 90}
        for panel in ("none-T1", "log-mel")
        for place, name in enumerate(("uar", "sad"))
        for step in steps
    ]
    figure = figures.trend_figure(pd.DataFrame(lines), label="recall [%]")
    assert [panel.get_title() for panel in figure.axes] == ["none-T1", "log-mel"]
    drawn = figure.axes[0].lines
    assert [line.get_label() for line in drawn] == ["UAR", "sad"]
    assert [line.get_color() for line in drawn] == [figures.EMOTION_COLOURS[name] for name in ("uar", "sad")]
    assert list(drawn[1].get_ydata()) == [54.0, 61.0, 80.0]
    assert max(abs(drawn[0].get_xdata() - steps)) < 30 and drawn[0].get_xdata()[0] < drawn[1].get_xdata()[0]

    rows = pd.DataFrame(lines).replace({"line": {"uar": "original", "sad": "log-mel"}})
    rows["line"] = pd.Categorical(rows["line"], ["original", "log-mel"])
    alone = figures.trend_figure(rows[rows["line"] == "log-mel"], label="UAR [%]").axes[0].lines
    both = figures.trend_figure(rows, label="UAR [%]").axes[0].lines
    assert [line.get_label() for line in alone] == ["log-mel"] and alone[0].get_marker() == both[1].get_marker()
    with pytest.raises(ValueError, match="nothing to draw"):
        figures.trend_figure(pd.DataFrame(lines)[:0], label="recall [%]")


def test_stairs_stand_at_their_stage_and_what_has_no_interval_has_no_bar():
    stages, values = ("recording", "layer 1", "soft units"), {"paper": (70, 60, 50), "here": (68, 66, 40)}
    lines = [
        {"series": name, "stage": stage, "estimate": float(value)}
        | ({"low": value - 5.0, "high": value + 5.0} if name == "here" else {})
        for name, own in values.items()
        for stage, value in zip(stages, own, strict=True)
    ]
    axes = figures.staircase_figure(pd.DataFrame(lines), label="UAR [%]").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(stages)
    assert [tuple(line.get_ydata()) for line in axes.lines] == [(70, 60, 50), (68, 66, 40)]
    drawn = [segment for bars in axes.collections[::2] for segment in bars.get_segments() if len(segment)]
    assert [tuple(segment[:, 1]) for segment in drawn] == [(63, 73), (61, 71), (35, 45)]


def test_a_plane_has_a_legend_for_own_systems_and_one_for_the_others_within_the_figure():
    names = [row.name for row in figures.all_rows()[:22]]
    own = ["a-system-with-a-very-long-name-ravdess-test", "another"]
    rows = pd.DataFrame({"name": [*own, *names], "mine": [True] * 2 + [False] * len(names)})
    for place, way in enumerate("xy"):
        rows[way] = 10.0 + place + rows.index
        rows[f"{way}_low"], rows[f"{way}_high"] = rows[way] - 3, rows[way] + 3
    drawn = figures.plane_figure(rows, x="EER [%]", y="UAR, Whisper encoder + logistic regression [%]")
    drawn.savefig(io.BytesIO(), format="png")  # lays the figure out
    assert [[text.get_text() for text in legend.get_texts()] for legend in drawn.legends] == [own, names]
    frame = drawn.bbox
    for part in (*drawn.legends, drawn.axes[0].yaxis.label):
        box = part.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    assert drawn.axes[0].get_window_extent().height > 1.5 * drawn.dpi
