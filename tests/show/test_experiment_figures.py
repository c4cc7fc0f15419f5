"""The figures of the experiments: probes, trends over training, and the curves of the models' cards."""

import numpy as np
import pandas as pd
import pytest

from emotrace.show.experiment_figures import curve_figure, curves_of, layer_figure, model_colour, trend_figure
from emotrace.show.figures import EMOTION_COLOURS, OTHER_COLOUR, ROW_COLOURS

STAGE = {"curves": {"l1": [[100, 0.9], [200, 0.5]], "time": [[100, 3.0], [200, 2.0]]}}
CARDS = {
    "acoustic-none-T1": {"training": {"acoustic": STAGE}},
    "acoustic-ECAPA-T6": {"training": {"acoustic": STAGE}},
    "hubert": {"training": {"1: MFCC": STAGE, "2: T6": {"losses": {"masked": 3.0}}}},
    "pool": {"training": {}},
}


def test_first_loss_of_each_stage_that_has_curves():
    curves = curves_of(CARDS)
    assert list(curves["model"].unique()) == ["acoustic-none-T1", "acoustic-ECAPA-T6", "hubert"]
    assert set(curves["loss"]) == {"l1"} and list(curves["stage"].unique()) == ["acoustic", "1: MFCC"]
    assert curves["value"].tolist() == [0.9, 0.5] * 3 and curves["step"].tolist() == [100, 200] * 3


def test_one_panel_for_each_stage_one_line_for_each_model():
    figure = curve_figure(curves_of(CARDS))
    assert [axes.get_title() for axes in figure.axes] == ["acoustic: l1", "1: MFCC: l1"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.9, 0.5]


def test_models_have_the_colours_of_their_rows():
    assert model_colour("acoustic-none-T1") == ROW_COLOURS["none-T1"]
    assert model_colour("acoustic-ECAPA-T12-soft-seed1") == ROW_COLOURS["ECAPA-orig-T12-soft"]
    assert model_colour("acoustic-ECAPA-T3") == ROW_COLOURS["ECAPA-orig"]
    assert model_colour("unified-log-mel") == ROW_COLOURS["log-mel"]
    assert model_colour("hubert") == OTHER_COLOUR


def test_cards_without_curves_give_none_and_no_figure():
    curves = curves_of({"pool": {"training": {}}})
    assert curves.empty
    with pytest.raises(ValueError, match="nothing to draw"):
        curve_figure(curves)


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
    axes = layer_figure(probes).axes
    assert [panel.get_title() for panel in axes] == ["frame by frame", "utterance"]
    assert {panel.get_ylabel() for panel in axes} == {"R²"}
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == ["T0", "T1", "soft units", "ECAPA"]
    drawn = {points.get_label(): points.get_offsets() for points in axes[0].collections}
    assert set(drawn) >= {"F0", "phone"}
    assert np.round(drawn["F0"][:, 0]).tolist() == [0, 1, 2] and drawn["F0"][:, 1].tolist() == [0.0, 0.1, 0.2]
    joined = [list(line.get_ydata()) for line in axes[0].lines if len(line.get_xdata()) == 2]
    assert joined.count([0.0, 0.1]) == 2 and joined.count([0.25, 0.25]) == 2
    with pytest.raises(ValueError, match="not a number"):
        layer_figure(probes.assign(estimate=np.nan))


def test_the_trend_of_a_training_has_a_line_for_each_emotion_and_marks_where_the_recipe_changes():
    steps = [300, 1000, 2900]
    lines = [
        {"panel": panel, "line": name, "step": step, "estimate": 50 + step / 100 + place, "low": 40, "high": 90}
        for panel in ("none-T1", "log-mel")
        for place, name in enumerate(("uar", "sad"))
        for step in steps
    ]
    figure = trend_figure(pd.DataFrame(lines), label="recall [%]", change=2400)
    assert [panel.get_title() for panel in figure.axes] == ["none-T1", "log-mel"]
    *drawn, mark = figure.axes[0].lines
    assert [line.get_label() for line in drawn] == ["UAR", "sad"]
    assert [line.get_color() for line in drawn] == [EMOTION_COLOURS[name] for name in ("uar", "sad")]
    assert list(drawn[1].get_ydata()) == [54.0, 61.0, 80.0] and list(mark.get_xdata()) == [2400, 2400]
    assert max(abs(drawn[0].get_xdata() - steps)) < 30 and drawn[0].get_xdata()[0] < drawn[1].get_xdata()[0]

    rows = pd.DataFrame(lines).replace({"line": {"uar": "original", "sad": "log-mel"}})
    rows["line"] = pd.Categorical(rows["line"], ["original", "log-mel"])
    alone = trend_figure(rows[rows["line"] == "log-mel"], label="UAR [%]").axes[0].lines
    both = trend_figure(rows, label="UAR [%]").axes[0].lines
    assert [line.get_label() for line in alone] == ["log-mel"] and alone[0].get_marker() == both[1].get_marker()
    with pytest.raises(ValueError, match="nothing to draw"):
        trend_figure(pd.DataFrame(lines)[:0], label="recall [%]")
