"""The recorded results are what was recorded, and those of the phantom belong to the code, models and data at hand."""

import hashlib
import json
from pathlib import Path

import pytest

from emotrace.experiments.reproduction import recorded_everywhere
from emotrace.study.profiles import get_profile
from emotrace.study.run import row_states

RESULTS = Path(__file__).parents[2] / "data" / "results"
FILES = sorted([*RESULTS.rglob("*.parquet"), *RESULTS.rglob("probing.csv")])


def place(path: Path) -> str:
    return path.relative_to(RESULTS).as_posix()


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_recorded_file_is_the_one_that_its_provenance_names(path):
    named = [json.loads(beside.read_text()).get("files", {}).get(path.name) for beside in path.parent.glob("*.json")]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest in named, f"{place(path)} was changed after it was recorded"


def test_every_row_of_the_phantom_is_current():
    recorded = recorded_everywhere(get_profile("phantom"))
    states = [state for profile, rows in recorded for state in row_states(profile, rows)]
    assert len(states) >= 19
    stale = {state.name: state.reasons for state in states if state.state != "done"}
    assert stale == {}, "record them anew: emotrace run --profile phantom (and --layer 3, --seed 1)"
