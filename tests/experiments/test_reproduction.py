"""Rows made again: equal where nothing changed, and every difference that is made by hand is found."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tiny_study import ROWS, make_tiny, tiny_layout

from emotrace.study import Study
from emotrace.study.layout import Layout
from emotrace.study.profiles import ProfileError
from emotrace.engine.provenance import cpu
from emotrace.experiments.reproduction import (
    agreement,
    keep_agreements,
    read_reproductions,
    recorded_everywhere,
    reproduce,
    together,
)
from emotrace.study.runner import read_provenance, run_rows

ANONYMISED = ROWS[1]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, inline_workers) -> Layout:
    folder = make_tiny(tmp_path_factory.mktemp("study"))
    layout = tiny_layout(folder, folder)
    run_rows(layout, ROWS)
    return layout


@pytest.fixture(scope="module")
def again(recorded):
    """What `reproduce` says, and the layout of what it made."""
    found = reproduce(recorded, [ANONYMISED])
    return found, tiny_layout(recorded.models.folder.parent, recorded.profile.work / "reproduction")


def test_what_is_made_again_is_the_same_and_leaves_the_record_alone(recorded, again):
    [line], copy = again
    before = read_provenance(recorded, ANONYMISED)["recorded"]
    assert (line.row, line.state, line.different, line.features, line.metrics) == ("ECAPA-anon-T6", "done", 0, 0.0, 0.0)
    assert line.predictions == 4 + 6 * 16 and line.holds()
    assert read_provenance(copy, ANONYMISED)["recorded"] >= before
    assert any((copy.profile.work / "features").iterdir())


def changed(recorded: Layout, folder: Path, **columns: object) -> Layout:
    """The recorded results in another place, the first utterance's values of some columns replaced."""
    copy = tiny_layout(recorded.models.folder.parent, folder)
    shutil.copytree(recorded.profile.results, copy.profile.results)
    file = copy.results(ANONYMISED) / "utterances.parquet"
    lines = pd.read_parquet(file)
    for name, value in columns.items():
        lines.loc[lines.index[0], name] = value
    lines.to_parquet(file)
    return copy


def test_a_changed_prediction_and_a_changed_feature_are_found(recorded, tmp_path):
    lines = pd.read_parquet(recorded.results(ANONYMISED) / "utterances.parquet")
    first = lines.iloc[0]
    other = next(emotion for emotion in ("sad", "ang") if emotion != first["ser"])
    found = agreement(recorded, changed(recorded, tmp_path, ser=other, kurtosis=1.5 * first["kurtosis"]), ANONYMISED)
    assert found.different == 1 and not found.holds()
    assert found.features == pytest.approx(0.5)
    relabelled = agreement(recorded, changed(recorded, tmp_path / "again", ser_seed2="hap"), ANONYMISED)
    assert relabelled.different == int(first["ser_seed2"] != "hap") and relabelled.metrics == 0
    assert (found.transcripts, relabelled.transcripts) == (0, 0)
    heard = changed(recorded, tmp_path / "heard", hypothesis="SOMETHING ELSE")
    misheard = agreement(recorded, heard, ANONYMISED)
    assert (misheard.different, misheard.transcripts) == (1, 1)
    both = together([found, misheard])
    assert (both.different, both.transcripts, both.predictions) == (2, 1, 2 * found.predictions)
    assert both.features == found.features and both.metrics == max(found.metrics, misheard.metrics)
    assert both.text().startswith(f"2 of {both.predictions} predictions differ (1 transcripts)")


def test_other_utterances_and_unrecorded_rows_are_refused(recorded, tmp_path):
    with pytest.raises(ProfileError, match="not those of the data at hand"):
        agreement(recorded, changed(recorded, tmp_path, utterance="nobody-sad"), ANONYMISED)
    empty = tiny_layout(recorded.models.folder.parent, tmp_path / "empty")
    with pytest.raises(ProfileError, match="no results of ECAPA-anon-T6 are recorded"):
        reproduce(empty, [ANONYMISED])


def test_what_was_found_is_kept_until_the_row_is_recorded_anew(recorded, again):
    found, _ = again
    assert read_reproductions(recorded, ROWS).empty
    path = keep_agreements(recorded, [ANONYMISED], found)
    [line] = read_reproductions(recorded, ROWS).to_dict("records")
    assert (line["row"], line["verdict"], line["predictions"]) == ("ECAPA-anon-T6", "same", found[0].predictions)
    assert line["recorded"] <= line["made_again"] and "Linux" in line["machine"]

    keep_agreements(recorded, [ANONYMISED], [replace(found[0], different=1)])
    assert len(pd.read_csv(path)) == 1, "a row has one line for each processor"
    own = path.read_text()
    pd.read_csv(path).assign(cpu="another processor").to_csv(path, index=False)
    keep_agreements(recorded, [ANONYMISED], [replace(found[0], different=1)])
    assert list(read_reproductions(recorded, ROWS)["cpu"]) == ["another processor", cpu()]
    path.write_text(own)
    assert read_reproductions(recorded, ROWS)["verdict"].item() == "differs"

    kept = path.read_text()
    path.write_text(kept + kept.splitlines(keepends=True)[1].replace("ECAPA-anon-T6", "original"))
    assert list(read_reproductions(recorded, ROWS)["row"]) == ["original", "ECAPA-anon-T6"], "in the table's order"
    path.write_text(kept)

    file = recorded.results(ANONYMISED) / "provenance.json"
    own = json.loads(file.read_text())
    file.write_text(json.dumps(own | {"recorded": "2000-01-01T00:00:00Z"}))
    assert read_reproductions(recorded, ROWS)["verdict"].item() == "outdated"
    file.write_text(json.dumps(own))


def test_a_study_loads_what_is_recorded_and_runs_what_is_missing(recorded, tmp_path, monkeypatch):
    profile = replace(recorded.profile, models=recorded.models.folder)
    names = [row.name for row in ROWS]
    with monkeypatch.context() as patch:
        patch.setattr("emotrace.study.study.run_rows", lambda *_, **__: pytest.fail("a recorded row was run"))
        loaded = Study(profile, names, n_bootstrap=20)
    made = Study(replace(profile, results=tmp_path), names, n_bootstrap=20)
    pd.testing.assert_frame_equal(made.utterances, loaded.utterances)
    pd.testing.assert_frame_equal(made.trials, loaded.trials)
    assert list(made.provenance["state"]) == ["done", "done"] and made.rows == tuple(names)


def test_every_recorded_row_is_found_by_its_layer_and_seed(recorded):
    for layout in (recorded, tiny_layout(recorded.models.folder.parent, recorded.profile.work.parent, seed=3)):
        run_rows(layout, ROWS)
    [(first, rows), (third, further)] = recorded_everywhere(recorded.profile)
    assert (first.seed, [row.name for row in rows]) == (0, ["ECAPA-anon-T6", "original"])
    assert (third.seed, [row.name for row in further]) == (3, ["ECAPA-anon-T6"])
    assert {first.results(rows[0]).name, third.results(further[0]).name} == {"ECAPA-anon-T6", "ECAPA-anon-T6-seed3"}


def test_what_earlier_reproductions_computed_is_forgotten_on_request(recorded, again):
    left = recorded.profile.work / "reproduction" / "left over"
    left.touch()
    assert reproduce(recorded, [ANONYMISED]) == again[0] and left.exists()
    assert reproduce(recorded, [ANONYMISED], fresh=True) == again[0] and not left.exists()
