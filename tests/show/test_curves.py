"""The learning curves of the models' cards."""

import pytest

from emotrace.show.curves import curve_figure, curves_of, model_colour
from emotrace.show.figures import ROW_COLOURS

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


def test_cards_without_curves_give_none_and_no_figure():
    curves = curves_of({"pool": {"training": {}}})
    assert curves.empty
    with pytest.raises(ValueError, match="nothing to draw"):
        curve_figure(curves)
