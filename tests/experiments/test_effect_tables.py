"""What effects do to acoustics and labels: by lines whose numbers are known; and the experiment about the level."""

from dataclasses import replace

import frames
import numpy as np
import pandas as pd
import pytest
from frames import utterance_lines
from matplotlib import colors

from emotrace.analysis.contrasts import TableError
from emotrace.engine.keys import Keys
from emotrace.engine.runner import RunError
from emotrace.experiments.effects import (
    CALLED_ANGRY,
    effect_changes,
    effect_pairs,
    manipulation_table,
    relabelled,
    wanted,
)
from emotrace.experiments.level import RECOGNISERS, level_profile, level_rows
from emotrace.pipeline.effects import KURTOSIS_FACTOR, LEVEL_DB
from emotrace.pipeline.measures import Measure
from emotrace.show.figures import change_figure
from emotrace.study.profiles import Profile, phantom
from emotrace.study.results import Results
from emotrace.study.scale import scale


@pytest.fixture(scope="module")
def results() -> Results:
    """Kurtosis doubles and one in five sad and neutral utterances becomes angry; the ripple does nothing."""
    rows = {"original": {}, "original~kurtosis-up": {"sad": "ang", "neu": "ang"}, "original~ripple": {}}
    lines = pd.DataFrame([line for row, called in rows.items() for line in utterance_lines(row, called, 1)])
    lines["kurtosis"] = np.where(lines["row"] == "original~kurtosis-up", 16.0, 8.0)
    lines["loudness_lufs"] = np.where(lines["row"] == "original~kurtosis-up", -21.0, -20.0)
    return frames.results(lines)


def test_changes_are_those_that_were_made(results):
    table = effect_changes(results, "functionals").set_index(["effect", "outcome"])
    assert table.loc["kurtosis-up", "estimate"].to_dict() == pytest.approx(
        {"sad": -20, "neu": -20, "ang": 0, "hap": 0, "uar": -10, CALLED_ANGRY: 40 / 3}
    )
    line = table.loc[("kurtosis-up", CALLED_ANGRY)]
    assert (line["before"], line["after"]) == pytest.approx((0, 40 / 3)) and line["low"] > 0
    assert (table.loc["ripple", ["estimate", "low", "high"]] == 0).all(axis=None)


def test_the_relabelled_are_counted_in_all_utterances(results):
    table = relabelled(results, "functionals").set_index("effect")
    assert table["estimate"].to_dict() == pytest.approx({"kurtosis-up": 10, "ripple": 0})
    assert (relabelled(results, "ge2e")["estimate"] == 0).all()


def test_the_manipulation_is_measured_beside_what_was_wanted(results):
    table = manipulation_table(results).set_index(["effect", "quantity"])
    assert table.loc[("kurtosis-up", "kurtosis"), ["wanted", "median"]].tolist() == [KURTOSIS_FACTOR, 2.0]
    assert table.loc[("kurtosis-up", "loudness"), ["wanted", "median"]].tolist() == [0.0, -1.0]
    assert table.loc[("ripple", "centroid"), ["wanted", "median", "q25", "q75"]].tolist() == [1.0] * 4
    assert wanted("level-down", "loudness") == -LEVEL_DB and np.isnan(wanted("peak", "loudness"))


def test_an_effect_without_its_row_is_refused(results):
    with pytest.raises(TableError, match="needs original"):
        effect_pairs(replace(results, rows=("original~ripple",)))
    with pytest.raises(TableError, match="no row of the study has an effect"):
        effect_pairs(replace(results, rows=("original",)))


def test_the_figure_marks_what_excludes_zero(results):
    frame = effect_changes(results, "functionals").rename(columns={"effect": "line"}).assign(panel="original")
    drawing = change_figure(frame)
    axes = drawing.axes[0]
    assert [text.get_text() for text in axes.texts][:6] == ["-20*", "-20*", "+0", "+0", "-10*", "+13*"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["kurtosis-up", "ripple"]
    assert [label.get_text() for label in axes.get_xticklabels()][-2] == "UAR"
    assert drawing._repr_svg_().startswith("<?xml")
    faces = axes.collections[0].get_facecolors()
    assert colors.to_hex(faces[0]) != colors.to_hex(faces[2])
    with pytest.raises(ValueError, match="nothing to draw"):
        change_figure(frame.iloc[:0])


@pytest.mark.parametrize("profile", [scale(), phantom()], ids=lambda profile: profile.name)
def test_the_level_experiment_keeps_its_results_apart_and_shares_the_rest(profile: Profile):
    by_level = {level: level_profile(profile, level) for level in RECOGNISERS}
    assert len({profile.results, *(own.results for own in by_level.values())}) == 3
    for level, own in by_level.items():
        assert own.work == profile.work and own.select() == level_rows()
        assert [corpus.name for corpus in own.corpora] == ["emotional"]
        assert Measure.WORDS not in own.corpora[0].measures and own.groups == {}
        assert own.recognisers.ser == (RECOGNISERS[level], *profile.recognisers.ser[1:])
        measures = own.corpora[0].measures
        shared = {taken: Keys(profile).measurement(taken) for taken in profile.recognisers.measurements(measures)}
        taken = own.recognisers.measurements(measures)
        apart = {str(one) for one in taken if Keys(own).measurement(one) != shared.get(one)}
        assert apart == {f"emotion-{RECOGNISERS[level]}"}
    with pytest.raises(RunError, match="as-recorded, normalised"):
        level_profile(profile, "loud")
