"""The set-up: what is pinned, what is locked, and what the commands are."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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


def test_the_check_is_make_test():
    commands = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^make .*$", commands, re.MULTILINE) == ['make test 2>&1 | tee "$log"']
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


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
