"""The set-up: what is pinned, what is locked, and what the commands are."""

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", re.MULTILINE)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", ["requirements", "requirements-nodeps"])
def test_every_pin_is_locked_with_hashes(name):
    pins = {_normal(name): version for name, version in PIN.findall((ROOT / f"{name}.txt").read_text())}
    lock = (ROOT / f"{name}.lock").read_text()
    locked = {_normal(name): version for name, version in PIN.findall(lock)}
    assert pins.items() <= locked.items()
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)[1:]
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_every_requirement_is_pinned():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not PIN.match(line)] == []


@pytest.fixture
def check(tmp_path):
    """check(book, test): status and lines of .ci/run in a folder whose Makefile has these recipes."""

    def run(book: str, test: str) -> tuple[int, list[str]]:
        (tmp_path / "Makefile").write_text(f"book:\n\t@{book}\ntest:\n\t@{test}\n")
        (tmp_path / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
        alone = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # these tests run below make
        done = subprocess.run([tmp_path / ".ci" / "run"], env=alone, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()

    return run


def test_the_check_builds_the_book_and_runs_the_tests(check):
    status, lines = check("echo built", "echo '=== 2 passed in 1.00s ==='")
    assert status == 0 and lines[0] == "built"
    assert [line.rpartition(" in ")[0] for line in lines[1:]] == [
        "ci: make book passed",
        "=== 2 passed",
        "ci: make test passed",
        "=== 2 passed",
    ]


@pytest.mark.parametrize(
    ("book", "line"),
    [
        ("false", ""),
        ("echo 'a/index.md:88: WARNING: more than one target found'; exit 2", "a/index.md:88: WARNING: more than one"),
        ("echo 'much ado'; echo 'book: x.html: no heading' >&2; exit 1", "book: x.html: no heading"),
        ("echo 'ValueError: a cell that raises'; exit 1", "ValueError: a cell that raises"),
    ],
)
def test_a_broken_book_stops_the_check_with_what_is_wrong(check, book, line):
    status, lines = check(book, "echo tested")
    assert status == 2 and "tested" not in lines  # make's own status
    assert [each.startswith("ci: make book failed after") for each in lines].count(True) == 1
    assert lines[-1].startswith(line or "ci: make book failed")


def test_a_failing_test_stops_the_check_by_its_name(check):
    status, lines = check("true", "echo 'FAILED tests/test_a.py::test_b - assert 1 == 2'; exit 1")
    assert status == 2 and lines[-1] == "FAILED tests/test_a.py::test_b - assert 1 == 2"


def test_links_of_the_book():
    targets = {name: (ROOT / "book" / name).readlink() for name in ("_config.yml", "_toc.yml", "notebooks")}
    assert targets == {name: Path("..") / name for name in targets}


def test_everything_imported_is_pinned():
    """Imports of the package, the notebooks' helpers and the book's scripts, at any depth of a function."""
    files = [path for folder in ("src", "book", "tests", "notebooks") for path in (ROOT / folder).rglob("*.py")]
    local = {path.stem for path in files} | {"emotrace"}
    distributions = packages_distributions()
    used = {module for path in files for module in _imported(path)} - set(sys.stdlib_module_names) - local
    names = {_normal(distributions[module][0]) for module in used if module in distributions}
    pins = "".join((ROOT / f"{name}.txt").read_text() for name in ("requirements", "requirements-nodeps"))
    assert names - {_normal(name) for name, _ in PIN.findall(pins)} - {"webrtcvad"} == set()


def _imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.partition(".")[0] for name in plain | {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}}
