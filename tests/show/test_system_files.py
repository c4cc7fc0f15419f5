"""Files of systems: what is written fits the schema, holds the summary's numbers, and stands beside recorded rows."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from command_line import run
from evaluated import IDENTITY, evaluation

from emotrace.analysis.metrics import eer
from emotrace.analysis.summary import summary_table
from emotrace.paths import ROOT
from emotrace.pipeline.measures import Recognisers
from emotrace.show.system_files import TO_FILL_IN, differs, read_system, recorded_systems, systems_table, write_system
from emotrace.study.results import Results
from emotrace.study.study import StudyResults

SYSTEMS = ROOT / "data" / "systems"
SCHEMA = json.loads((SYSTEMS / "schema.json").read_text())
FILLED = {
    "description": "Shifts the pitch of every utterance at random.",
    "authors": "A. Nobody",
    "reference": "doi:10/x",
}


@pytest.fixture(scope="module")
def found() -> Results:
    return evaluation()


@pytest.fixture
def file(found, tmp_path) -> Path:
    write_system(found, tmp_path / "mine.json")
    return tmp_path / "mine.json"


def read_speech(results: Results) -> Results:
    tables = {name: getattr(results, name).assign(corpus="read") for name in ("utterances", "trials")}
    return replace(results, **tables)


def test_what_is_written_fits_the_schema_once_people_have_filled_it_in(file):
    content = read_system(file)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)
    jsonschema.validate(content | FILLED, SCHEMA)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_its_numbers_are_those_of_the_summary(file, found):
    [made] = read_system(file)["evaluations"]
    summaries = summary_table(found).groupby("version")
    for version, lines in (("original", made["original"]), ("mine", made["system"])):
        written = {(line["metric"], line["of"]): line for line in lines}
        summary = summaries.get_group(version)
        for line in summary.itertuples():
            ends = [written[line.metric, line.of][end] for end in ("estimate", "low", "high")]
            assert ends == pytest.approx([line.estimate, line.low, line.high], abs=1e-4)
        both = set(written) - set(zip(summary["metric"], summary["of"], strict=True))
        assert {metric for metric, _ in both} == {"EER [%]"}


def test_the_eer_of_an_attacker_is_the_mean_of_both_genders(file, found):
    [made] = read_system(file)["evaluations"]
    trials = found.trials.query("row == 'mine' and attacker == 'lazy-informed'")
    rates = [eer(part.score[part.target], part.score[~part.target])[0] for _, part in trials.groupby("gender")]
    expected = 100 * np.mean(rates)
    [line] = [line for line in made["system"] if line["of"] == "lazy-informed"]
    assert line["estimate"] == pytest.approx(expected, abs=1e-4)


def test_a_second_corpus_goes_into_the_same_file_and_a_second_time_replaces_the_first(file, found):
    content = read_system(file) | FILLED
    file.write_text(json.dumps(content))
    write_system(read_speech(found), file)
    write_system(found, file)
    again = read_system(file)
    assert [each["corpus"]["name"] for each in again["evaluations"]] == ["emotional", "read"]
    assert again["evaluations"][0] == content["evaluations"][0]
    assert {name: again[name] for name in TO_FILL_IN} == FILLED
    jsonschema.validate(again, SCHEMA)


def test_a_table_has_files_and_recorded_rows_alike(file, found):
    record = SimpleNamespace(read=lambda: {"identity": IDENTITY})
    works = tuple(SimpleNamespace(name=row, record=record) for row in found.rows)
    fields = {name: getattr(found, name) for name in ("utterances", "trials", "rows", "source", "recognisers")}
    profile = SimpleNamespace(recognisers=Recognisers())
    study = StudyResults(**fields, n_bootstrap=found.n_bootstrap, profile=profile, works=works)
    recorded = recorded_systems(study)
    write_system(read_speech(found), file)
    written = read_system(file)
    assert recorded["mine"]["evaluations"] == [written["evaluations"][0]]
    table = systems_table({**recorded, "file": written}).set_index("system")
    assert list(table.index) == ["original", "mine", "file"]
    assert table.at["mine", "UAR, functionals + SVM [%]"] == table.at["file", "UAR, functionals + SVM [%]"] != ""
    assert table.at["mine", "WER, read [%]"] == "" and table.at["file", "WER, read [%]"].startswith("30.0")
    assert differs({"evaluations": written["evaluations"][:1]}, recorded["mine"]) == []
    assert differs(written, recorded["mine"]) == ["read: no recorded row has these 160 utterances"]


def test_other_recognisers_and_other_training_are_said(file):
    written = read_system(file)
    other = json.loads(json.dumps(written))
    other["evaluations"][0]["recognisers"]["asr"] = "pocketsphinx"
    other["evaluations"][0]["learned_from"] = "d" * 64
    assert len(differs(other, written)) == 2 and "asr is pocketsphinx" in differs(other, written)[0]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 7}', "{}"], ids=["empty", "list", "format", "nothing"])
def test_a_file_that_is_none_is_refused_before_anything_is_evaluated(text, tmp_path):
    (tmp_path / "mine.json").write_text(text)
    code, lines = run("evaluate", tmp_path / "nowhere", tmp_path / "mine", "--system", tmp_path / "mine.json")
    assert code == 2 and len(lines) == 1 and "mine.json: no file of a system" in lines[0]


def test_several_systems_have_several_files(found, tmp_path):
    with pytest.raises(ValueError, match="one by one"):
        write_system(replace(found, rows=(*found.rows, "other")), tmp_path / "both.json")


def test_every_file_that_is_there_fits_the_schema():
    for file in set(SYSTEMS.glob("*.json")) - {SYSTEMS / "schema.json"}:
        jsonschema.validate(read_system(file), SCHEMA)


def test_numbers_that_are_not_defined_are_null(found, tmp_path):
    one = found.utterances[found.utterances["speaker"] == "a"]
    write_system(replace(found, utterances=one, trials=found.trials.iloc[:0]), tmp_path / "alone.json")
    content = read_system(tmp_path / "alone.json") | FILLED
    jsonschema.validate(content, SCHEMA)
    assert all(line["low"] is None for line in content["evaluations"][0]["system"])
    assert pd.notna(content["evaluations"][0]["system"][0]["estimate"])
