"""Rows reproduced: equal where nothing changed, and every difference that is made by hand is found."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tiny_study import ROWS, make_tiny, tiny_profile

from emotrace.corpus.datadir import DataDir, write_datadir
from emotrace.engine.provenance import cpu
from emotrace.engine.runner import RunError
from emotrace.experiments.reproduction import (
    Comparison,
    compare,
    few_speakers,
    isolated,
    keep_comparisons,
    read_reproductions,
    recorded_everywhere,
    reproduce,
    together,
)
from emotrace.study import Study
from emotrace.study.profiles import ALL_MEASURES, Corpus, Profile
from emotrace.study.run import RowWork, read_provenance, run_rows

ANONYMISED = ROWS[1]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, inline_workers) -> Profile:
    folder = make_tiny(tmp_path_factory.mktemp("study"))
    profile = tiny_profile(folder, folder)
    run_rows(profile, ROWS)
    return profile


@pytest.fixture(scope="module")
def comparisons(recorded) -> list[Comparison]:
    """What `reproduce` says of the anonymised row."""
    return reproduce(recorded, [ANONYMISED])


def test_what_is_reproduced_is_the_same_and_leaves_the_record_alone(recorded, comparisons):
    [line] = comparisons
    before, copy = read_provenance(recorded, ANONYMISED)["recorded"], isolated(recorded)
    assert (line.row, line.state, line.different, line.features, line.metrics) == ("ECAPA-anon-T6", "done", 0, 0.0, 0.0)
    assert line.predictions == 4 + 8 * 16 and line.holds()  # transcripts; two recognisers, seeds and matched
    assert read_provenance(copy, ANONYMISED)["recorded"] >= before
    assert any((copy.work / "features").iterdir()) and copy.work != recorded.work


def changed(recorded: Profile, folder: Path, **columns: object) -> Profile:
    """The recorded results in another place, the first utterance's values of some columns replaced."""
    copy = replace(recorded, work=folder / "work", results=folder / "results")
    shutil.copytree(recorded.results, copy.results)
    file = copy.results / ANONYMISED.name / "utterances.parquet"
    lines = pd.read_parquet(file)
    for name, value in columns.items():
        lines.loc[lines.index[0], name] = value
    lines.to_parquet(file)
    return copy


def test_a_changed_prediction_and_a_changed_feature_are_found(recorded, tmp_path):
    first = pd.read_parquet(recorded.results / ANONYMISED.name / "utterances.parquet").iloc[0]
    other = next(emotion for emotion in ("sad", "ang") if emotion != first["emotion_egemaps"])
    copy = changed(recorded, tmp_path, emotion_egemaps=other, kurtosis=1.5 * first["kurtosis"])
    comparison = compare(recorded, copy, ANONYMISED)
    assert comparison.different == 1 and not comparison.holds()
    assert comparison.features == pytest.approx(0.5)
    happy = changed(recorded, tmp_path / "happy", emotion_egemaps_seed2="hap")
    relabelled = compare(recorded, happy, ANONYMISED)
    assert relabelled.different == int(first["emotion_egemaps_seed2"] != "hap") and relabelled.metrics == 0
    assert (comparison.transcripts, relabelled.transcripts) == (0, 0)
    transcribed = changed(recorded, tmp_path / "transcribed", hypothesis="SOMETHING ELSE")
    misheard = compare(recorded, transcribed, ANONYMISED)
    assert (misheard.different, misheard.transcripts) == (1, 1)
    both = together([comparison, misheard])
    assert (both.different, both.transcripts, both.predictions) == (2, 1, 2 * comparison.predictions)
    assert both.features == comparison.features and both.metrics == max(comparison.metrics, misheard.metrics)
    assert both.text().startswith(f"2 of {both.predictions} predictions differ (1 transcripts)")


def test_a_changed_number_of_the_table_is_found(recorded, tmp_path):
    """No prediction differs, the WER does: of four utterances of two words, one has five more wrong words."""
    copy = changed(recorded, tmp_path)
    file = copy.results / ANONYMISED.name / "utterances.parquet"
    lines = pd.read_parquet(file)
    lines.loc[lines["word_errors"].first_valid_index(), "word_errors"] += 5
    lines.to_parquet(file)
    comparison = compare(recorded, copy, ANONYMISED)
    assert comparison.different == 0 and comparison.metrics >= 100 * 5 / 8 and not comparison.holds()
    lines.assign(word_errors=None).to_parquet(file)
    assert compare(recorded, copy, ANONYMISED).metrics == float("inf"), "only one of them has a WER"


def test_other_utterances_and_unrecorded_rows_are_refused(recorded, tmp_path):
    with pytest.raises(RunError, match="not those of the data at hand"):
        compare(recorded, changed(recorded, tmp_path, utterance="nobody-sad"), ANONYMISED)
    empty = replace(recorded, work=tmp_path / "empty", results=tmp_path / "none")
    with pytest.raises(RunError, match="no results of ECAPA-anon-T6 are recorded"):
        reproduce(empty, [ANONYMISED])


def test_what_was_compared_is_kept_until_the_row_is_recorded_anew(recorded, comparisons):
    assert read_reproductions(recorded, ROWS).empty
    path = keep_comparisons(recorded, [ANONYMISED], comparisons)
    [line] = read_reproductions(recorded, ROWS).to_dict("records")
    assert (line["row"], line["verdict"], line["predictions"]) == ("ECAPA-anon-T6", "same", comparisons[0].predictions)
    assert line["recorded"] <= line["reproduced"] and "Linux" in line["machine"]

    different = [replace(comparisons[0], different=1)]
    keep_comparisons(recorded, [ANONYMISED], different)
    assert len(pd.read_csv(path)) == 1, "a row has one line for each processor"
    one_line = path.read_text()
    pd.read_csv(path).assign(cpu="another processor").to_csv(path, index=False)
    keep_comparisons(recorded, [ANONYMISED], different)
    assert list(read_reproductions(recorded, ROWS)["cpu"]) == ["another processor", cpu()]
    path.write_text(one_line)
    assert read_reproductions(recorded, ROWS)["verdict"].item() == "differs"

    path.write_text(one_line + one_line.splitlines(keepends=True)[1].replace("ECAPA-anon-T6", "original"))
    assert list(read_reproductions(recorded, ROWS)["row"]) == ["original", "ECAPA-anon-T6"], "in the table's order"
    path.write_text(one_line)

    file = RowWork(recorded, ANONYMISED).record.provenance
    provenance = file.read_text()
    file.write_text(json.dumps(json.loads(provenance) | {"recorded": "2000-01-01T00:00:00Z"}))
    assert read_reproductions(recorded, ROWS)["verdict"].item() == "outdated"
    file.write_text(provenance)


def test_a_study_loads_what_is_recorded_and_runs_what_is_missing(recorded, tmp_path, monkeypatch):
    names = [row.name for row in ROWS]
    with monkeypatch.context() as patch:
        patch.setattr("emotrace.study.study.run_rows", lambda *_, **__: pytest.fail("a recorded row was run"))
        loaded = Study(recorded, names, n_bootstrap=20)
    made = Study(replace(recorded, results=tmp_path), names, n_bootstrap=20)
    pd.testing.assert_frame_equal(made.utterances, loaded.utterances)
    pd.testing.assert_frame_equal(made.trials, loaded.trials)
    assert list(made.provenance["state"]) == ["done", "done"] and made.rows == tuple(names)
    assert [state.state for state in made.states] == ["done", "done"]


def test_every_recorded_row_is_found_by_its_layer_and_seed(recorded):
    for seed in (0, 3):
        run_rows(replace(recorded, seed=seed), ROWS)
    [(first, rows), (third, further)] = recorded_everywhere(recorded)
    assert (first.seed, [row.name for row in rows]) == (0, ["ECAPA-anon-T6", "original"])
    assert (third.seed, [row.name for row in further]) == (3, ["ECAPA-anon-T6"])
    folders = {RowWork(first, rows[0]).folder.name, RowWork(third, further[0]).folder.name}
    assert folders == {"ECAPA-anon-T6", "ECAPA-anon-T6-seed3"}


def test_what_earlier_reproductions_computed_is_forgotten_on_request(recorded, comparisons):
    left = recorded.work / "reproduction" / "left over"
    left.touch()
    assert reproduce(recorded, [ANONYMISED]) == comparisons and left.exists()
    assert reproduce(recorded, [ANONYMISED], fresh=True) == comparisons and not left.exists()


def test_a_part_is_reproduced_as_in_the_whole(tmp_path, inline_workers):
    """Two of four speakers: the same labels as among all of them, and a changed one is found."""
    folder = make_tiny(tmp_path)
    data = DataDir.read(folder / "corpus")
    write_datadir(folder / "training", [replace(u, id=f"x{u.id}", speaker=f"x{u.speaker}") for u in data])
    corpus = Corpus("emotional", folder / "corpus", ALL_MEASURES, transcribed_per_cell=0)
    profile = replace(tiny_profile(folder, folder), corpora=(corpus,), ser_training=folder / "training")
    run_rows(profile, ROWS)
    [line] = reproduce(profile, [ANONYMISED], speakers=2)
    assert math.isnan(line.metrics), "no number of a part of the utterances is that of the table"
    assert line.predictions == 6 * 8 and line.holds()  # two recognisers, three seeds each, eight utterances
    recorded = pd.read_parquet(RowWork(profile, ANONYMISED).record.tables[0])
    part = few_speakers(isolated(profile), 2)
    lines = pd.read_parquet(RowWork(part, ANONYMISED).record.tables[0])
    assert set(lines["gender"]) == {"f", "m"} and lines["speaker"].nunique() == 2 and recorded["speaker"].nunique() == 4
    kept = keep_comparisons(profile, [ANONYMISED], [line], speakers=2)
    assert pd.read_csv(kept)["note"].item().startswith("2 speakers of each corpus")
    lines.loc[0, "emotion_ge2e"] = "sad" if lines.loc[0, "emotion_ge2e"] != "sad" else "ang"
    lines.to_parquet(RowWork(part, ANONYMISED).record.tables[0])
    assert compare(profile, part, ANONYMISED).different == 1


def test_there_is_no_part_where_the_corpus_is_what_recognisers_learn_from(recorded):
    with pytest.raises(RunError, match="leave out --speakers"):
        reproduce(recorded, [ANONYMISED], speakers=2)
