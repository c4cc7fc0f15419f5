"""data/oracles.csv is what the tests with the fixture `oracle` measure; the fixture fails where it must."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles import GROUPS, largest_difference

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"


@pytest.fixture
def recorded() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "oracles.csv", keep_default_na=False)


def comparisons(path: Path) -> set[tuple[str, str, str]]:
    """Metric, reference and test of every call of the fixture in a file."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return {
        (*map(ast.literal_eval, call.args[:2]), f"{path.relative_to(TESTS).as_posix()}::{function.name}")
        for function in functions
        if any(argument.arg == "oracle" for argument in function.args.args)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "oracle"
    }


def test_the_recorded_comparisons_are_those_of_the_tests(recorded):
    written = set().union(*(comparisons(path) for path in TESTS.rglob("test_*.py")))
    lines = list(zip(recorded["metric"], recorded["reference"], recorded["test"], strict=True))
    assert len(lines) == len(set(lines))
    assert set(lines) == written, "`make oracles` brings data/oracles.csv up to date"


def test_every_recorded_difference_is_within_its_tolerance(recorded):
    assert (recorded["difference"] <= recorded["tolerance"]).all() and (recorded["difference"] >= 0).all()
    assert (recorded["values"] > 0).all() and set(recorded["kind"]) == {"absolute", "relative"}
    assert set(recorded["group"]) == set(GROUPS.values())


def test_the_page_shows_every_group(recorded):
    page = (ROOT / "book" / "how_we_know.md").read_text()
    assert all(f'table("{group}")' in page for group in recorded["group"].unique())


def test_the_largest_difference_is_absolute_or_of_the_reference():
    ours, theirs = np.array([[1.0, 2.0], [0.0, 4.5]]), np.array([[1.0, 1.5], [0.0, 5.0]])
    assert largest_difference(ours, theirs) == (0.5, 4)
    assert largest_difference(ours, theirs, relative=True) == (pytest.approx(1 / 3), 4)
    assert np.isinf(largest_difference(1.0, 0.0, relative=True)[0])
    assert not largest_difference([1.0, np.nan], [1.0, 1.0])[0] <= 1e9
    for other in (np.ones((1, 4)), np.ones(4)):
        with pytest.raises(AssertionError, match="of the reference"):
            largest_difference(ours, other)


MADE = """
import numpy as np
import pytest

@pytest.mark.parametrize("theirs", [1.25, 1.5])
def test_a(oracle, theirs):
    oracle("m", "r", [1.0, theirs], [1.0, 1.0], LIMIT, "Hz")

def test_b(oracle):
    oracle("k", "r", np.ones(3), np.full(3, 2.0), 0.5, relative=True)

def test_without():
    raise ValueError
"""


@pytest.mark.parametrize(("limit", "failed"), [(0.5, 0), (0.4, 1)])
def test_what_passes_is_written_and_what_differs_by_more_fails(pytester, limit, failed):
    pytester.makepyfile(MADE.replace("LIMIT", str(limit)))
    result = pytester.runpytest_inprocess("-p", "oracles", "-p", "no:cacheprovider", "--oracles", "found.csv")
    result.assert_outcomes(passed=3 - failed, failed=failed, deselected=1)
    file = pytester.path / "found.csv"
    assert file.is_file() != bool(failed)
    if not failed:
        name = next(pytester.path.glob("test_*.py")).name
        assert file.read_text().splitlines()[1:] == [
            f"signal,k,r,3,0.5,0.5,,relative,{name}::test_b",
            f"signal,m,r,4,0.5,0.5,Hz,absolute,{name}::test_a",
        ]
