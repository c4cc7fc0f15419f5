"""What notebooks show of the experiments: the numbers of the studies at hand, or how to record them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from frames import results, utterance_lines
from IPython.display import Markdown

from emotrace.analysis.attribution import attribution
from emotrace.analysis.contrasts import metric_interval
from emotrace.evaluation.spectrum import CENTROID_EDGES, KURTOSIS_EDGES
from emotrace.experiments.cues import CUES
from emotrace.show import experiments, pages, tables
from emotrace.show.figures import interval_figure
from emotrace.study.groups import GROUPS
from emotrace.study.profiles import get_profile
from emotrace.study.results import Results

TITLE = "scale (acted and read speech of people)"


def made_up(rows: list[str], wrong: dict[str, dict[str, str]], errors: dict[str, int]) -> dict[str, Results]:
    """A study of these rows; what each calls an emotion, and how many of ten words it gets wrong."""
    lines = [line for row in rows for line in utterance_lines(row, wrong.get(row, {}), errors.get(row, 1))]
    utterances = pd.DataFrame(lines).assign(loudness_lufs=-20.0, kurtosis=8.0)
    utterances["centroid_histogram"] = [[1] + [0] * (len(CENTROID_EDGES) - 2)] * len(utterances)
    utterances["kurtosis_histogram"] = [[1] + [0] * (len(KURTOSIS_EDGES) - 2)] * len(utterances)
    return {TITLE: results(utterances, rows=rows, source="scale", n_bootstrap=50)}


def with_columns(studies: dict[str, Results], **columns: object) -> dict[str, Results]:
    """The same studies with other columns of their utterances."""
    return {title: replace(each, utterances=each.utterances.assign(**columns)) for title, each in studies.items()}


def rows_of(group: str) -> list[str]:
    return [row.name for row in GROUPS[group]]


def test_what_is_not_recorded_says_how_to_record_it(tmp_path, monkeypatch):
    empty = replace(get_profile("scale"), results=tmp_path)
    monkeypatch.setattr(experiments, "get_profile", lambda _: empty)
    monkeypatch.setattr(pages, "get_profile", lambda _: empty)
    for experiment in (pages.open_experiment("seeds", 50), pages.open_level(50)):
        assert experiment.studies == {}
        shown = experiment.show(pytest.fail)
        assert isinstance(shown, Markdown) and experiment.command in shown.data
    assert "emotrace run --rows seeds --profile scale" in pages.open_experiment("seeds", 50).command
    assert "emotrace probe" in experiments.show_probes().data
    assert "emotrace learning-curve" in experiments.show_learning_curve("uar", 50).data


def test_speech_without_isolation_sets_has_no_cues_to_draw():
    measured = dict.fromkeys((cue.measured for cue in CUES), 1.0)
    studies = with_columns(made_up(["original", "none-T1"], {}, {}), **measured)
    assert "no isolation sets" in experiments.show_cues(studies).data


def test_the_shares_of_the_attribution_are_drawn_and_sum_to_the_total():
    rows = rows_of("attribution")
    studies = made_up(rows, {"ECAPA-anon-T12-soft": {"sad": "ang"}, "none-T12-soft": {"sad": "ang", "neu": "ang"}}, {})
    table = tables.attribution_table(studies).data
    assert len(table) == 2 * 6 and set(table["speech"]) == {"scale"}
    losses = [float(cell.partition("<br>")[0]) for cell in table["loss of UAR"]]
    assert losses[5] == 5.0 and sum(losses[:5]) == pytest.approx(5.0, abs=0.26)
    assert losses[6:] == [0] * 6
    shares = pages.by_recogniser(studies, attribution).rename(columns={"loss": "estimate", "decision": "line"})
    [axes] = interval_figure(shares, label="loss of UAR [points]", hue="recogniser", zero=True).axes
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "total"


def test_two_seeds_of_an_acoustic_model_are_compared_pair_by_pair():
    rows = rows_of("seeds")
    wrong = {"none-T1@seed1": {"sad": "ang"}}
    studies = made_up(rows, wrong, {"none-T1@seed1": 3})
    table = tables.model_seeds(studies).data.set_index(["row", "of"])
    difference = table["difference [points]"]
    assert table.loc[("none-T1", "UAR"), ["seed0 [%]", "seed1 [%]"]].tolist() == ["100.0", "95.0"]
    assert difference["none-T1", "UAR"].startswith("-5.0")
    assert difference["none-T1", "WER emotional"].startswith("+20.0")
    assert difference["ECAPA-orig-T12-soft", "UAR"].startswith("+0.0")


def test_seeds_are_compared_on_words_that_both_transcribe():
    studies = made_up(rows_of("seeds"), {}, {})
    lines = studies[TITLE].utterances
    further = lines["emotion"] != "neu"
    lines.loc[further & (lines["row"] == "none-T1"), "word_errors"] = 10
    lines.loc[further & (lines["row"] == "none-T1@seed1"), "word_errors"] = None
    table = tables.model_seeds(studies).data.set_index(["row", "of"])
    assert table.loc[("none-T1", "WER emotional"), ["seed0 [%]", "seed1 [%]"]].tolist() == ["10.0", "10.0"]


def test_the_seeds_of_the_recognisers_stand_beside_each_other():
    studies = made_up(["original"], {"original": {"sad": "ang"}}, {})
    emotions = studies[TITLE].utterances["emotion"]
    columns = {f"emotion_{name}_seed{seed}": emotions for name in ("functionals", "ge2e") for seed in (1, 2)}
    table = tables.recogniser_seeds(with_columns(studies, **columns)).data.set_index("recogniser")
    assert table.loc["functionals + SVM", ["seed0", "seed1", "seed2", "sd"]].tolist() == [
        "95.0",
        "100.0",
        "100.0",
        "2.9",
    ]
    assert table.at["GE2E + SVM", "sd"] == "0.0"


def test_the_effects_stand_beside_what_they_were_meant_to_do():
    rows = rows_of("effects")
    studies = made_up(rows, {"original~ripple": {"sad": "ang"}}, {})
    table = tables.manipulations(studies).data.set_index(["row", "effect"])
    assert table.at[("original", "kurtosis-up"), "kurtosis"] == "1.00 (wanted 1.25)"
    assert table.at[("original", "ripple"), "relabelled, functionals + SVM [%]"] == "5.0"
    assert table.at[("original", "ripple"), "relabelled, GE2E + SVM [%]"] == "0.0"
    assert [effect for row, effect in table.index if row == "original"] == [
        row.partition("~")[2] for row in rows if row.startswith("original~")
    ]
    panels = [axes.get_title() for axes in experiments.effects_figure(studies).axes]
    assert panels == ["original, scale", "none-T1, scale", "ECAPA-anon-T12-soft, scale"]


def test_the_level_table_has_every_row_with_and_without_level_normalisation():
    rows = ["original", "original~peak"]
    normalised, recorded = (made_up(rows, wrong, {})[TITLE] for wrong in ({}, {"original~peak": {"sad": "ang"}}))
    studies = {"scale, level as-recorded": recorded, "scale, level normalised": normalised}
    studies = {title: replace(each, source=title) for title, each in studies.items()}
    table = tables.level_table(studies).data
    cells = table.set_index(["row", "recogniser"])["uar"].str.partition("<br>")[0].to_dict()
    assert cells[("original, peak", "scale, level as-recorded")] == "95.0"
    assert cells[("original, peak", "scale, level normalised")] == "100.0"
    panels = [axes.get_title() for axes in experiments.effects_figure(studies).axes]
    assert panels == [f"original, {title}" for title in studies]


def test_the_snapshots_have_a_panel_for_each_vocoder_and_the_numbers_of_its_rows():
    rows = rows_of("snapshots")
    studies = made_up(rows, {"unified-none-T1@step300": {"sad": "ang"}}, {"unified-none-T1@step300": 5})
    panels = {axes.get_title(): axes for axes in experiments.snapshot_recalls(studies).axes}
    assert list(panels) == [
        f"{name}, scale" for name in ("unified-log-mel", "unified-none-T1", "unified-ECAPA-orig-T12-soft")
    ]
    lines = {line.get_label(): line.get_ydata()[0] for line in panels["unified-none-T1, scale"].lines}
    assert lines["sad"] == metric_interval(studies[TITLE], "unified-none-T1@step300", "sad").estimate == 80
    emotional = experiments.snapshot_words(with_read(studies)).axes[1]
    assert emotional.get_title() == "emotional speech, scale"
    assert max(line.get_ydata()[0] for line in emotional.lines if len(line.get_ydata()) > 2) == 50
    assert (
        experiments.snapshot_acoustics(studies, "kurtosis_median", "spectral kurtosis").axes[0].get_title()
        == "emotional speech, scale"
    )
    angry = experiments.snapshot_called_angry(made_up(rows, {"unified-none-T1@step300": {"neu": "ang"}}, {})).axes
    assert [axes.get_title() for axes in angry] == ["functionals + SVM, scale", "GE2E + SVM, scale"]
    assert [max(max(line.get_ydata()) for line in axes.lines[:3]) for axes in angry] == [20, 0]


def with_read(studies: dict[str, Results]) -> dict[str, Results]:
    """The same lines once more as read speech."""
    study = studies[TITLE]
    lines = study.utterances
    return {TITLE: replace(study, utterances=pd.concat([lines, lines.assign(corpus="read")], ignore_index=True))}


def test_what_the_discriminators_change_stands_by_metric_and_vocoder():
    studies = with_read(made_up(rows_of("snapshots"), {"unified-none-T1": {"sad": "ang"}}, {"unified-none-T1": 3}))
    table = tables.discriminator_table(studies).data.set_index(["of", "recogniser"])
    assert len(table) == 11 + 7 and list(table.columns[1:]) == [
        f"unified-{row}" for row in ("log-mel", "none-T1", "ECAPA-orig-T12-soft")
    ]
    cells = table["unified-none-T1"].str.partition("<br>")[0]
    assert cells["sad", "functionals + SVM"] == "-20.0" and cells["sad", "GE2E + SVM"] == "+0.0"
    assert cells["recall spread", "functionals + SVM"] == f"{np.std([80, 100, 100, 100]):+.1f}"
    assert cells["WER emotional", ""] == cells["WER read", ""] == "+20.0"
    assert table.loc["UAR", "unified-log-mel"].str.startswith("+0.0").all()
