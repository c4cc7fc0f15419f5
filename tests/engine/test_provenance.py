"""What makes a recorded result stale, and what does not."""

import ast
import subprocess
from pathlib import Path

import pytest

from emotrace.engine import provenance
from emotrace.engine.provenance import (
    EVALUATION_CODE,
    PACKAGE,
    SYNTHESIS_CODE,
    code_at,
    code_version,
    cpu,
    differences,
    digest,
    environment,
)

SOURCE = '''"""Doc."""

import numpy as np


class Half:
    """Doc of the class."""

    def __call__(self, x: float = 1.0) -> float:
        """Doc of the method."""
        # a comment
        if x < 0:
            raise ValueError("negative")
        return np.float64(x) / 2
'''


@pytest.fixture
def version(tmp_path):
    def of(source: str) -> str:
        (tmp_path / "module.py").write_text(source)
        return code_version(["module.py"], tmp_path)

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Doc."""', '"""Other words."""'),
        ('    """Doc of the class."""\n\n', ""),
        ("        # a comment\n", ""),
        ('ValueError("negative")', 'ValueError(f"{x} is negative")'),
        ("np.float64(x) / 2", "(np.float64(x)\n                / 2)"),
    ],
)
def test_words_and_layout_do_not_matter(version, old, new):
    assert old in SOURCE
    assert version(SOURCE) == version(SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/ 2", "/ 2.0"),
        ("x < 0", "x < 1"),
        ("x: float = 1.0", "x: float = 1.5"),
        ("float64", "float32"),
        ("return ", "return -"),
    ],
)
def test_a_changed_formula_matters(version, old, new):
    assert version(SOURCE) != version(SOURCE.replace(old, new))


def test_a_module_that_holds_only_a_docstring_in_a_function_still_counts(version):
    assert version('def f():\n    """Doc."""\n') != version("def g():\n    pass\n")


def test_folders_are_searched_and_the_name_of_a_module_matters(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "one.py").write_text("x = 1")
    before = code_version(["deep"], tmp_path)
    (tmp_path / "deep" / "er" / "one.py").rename(tmp_path / "deep" / "er" / "two.py")
    assert code_version(["deep"], tmp_path) != before


def test_a_part_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        code_version(["gone"], tmp_path)


def test_every_part_and_every_exception_of_the_code_version_exists():
    for name in (*SYNTHESIS_CODE, *EVALUATION_CODE, *provenance._NOT_COMPUTING):
        assert (PACKAGE / name).exists(), name


def test_modules_that_compute_import_none_that_the_code_version_leaves_out():
    left_out = {"emotrace." + name.removesuffix(".py").replace("/", ".") for name in provenance._NOT_COMPUTING}
    for name in provenance._modules(("representation", "anonymizer", "models.py", "study/synthesis.py"), PACKAGE):
        imported = {
            node.module
            for node in ast.walk(ast.parse((PACKAGE / name).read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        assert not imported & left_out, name


def test_a_digest_ignores_the_order_of_keys_and_refuses_nan():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
    with pytest.raises(ValueError):
        digest(float("nan"))


def test_differences_are_named():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ["b", "c"]
    assert differences({"a": [1]}, {"a": [1]}) == []


def test_the_environment_names_the_versions_that_computed():
    assert environment()["versions"]["torch"]


def test_the_code_of_a_commit_is_that_of_its_files():
    if (present := code_at("HEAD")) is None:
        pytest.skip("no git repository")
    if environment()["uncommitted"] == []:
        assert present == {"synthesis": code_version(SYNTHESIS_CODE), "evaluation": code_version(EVALUATION_CODE)}
    assert code_at("no commit") is None


def test_the_processor_is_named():
    words = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else cpu()
    assert cpu() and cpu().split()[0] in words


def test_only_changed_code_makes_a_commit_dirty(tmp_path, monkeypatch):
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    for name in ("src/code.py", "data/results.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    (tmp_path / "data" / "results.csv").write_text("2\n")
    commit = environment()["git_commit"]
    assert commit and not commit.endswith("-dirty")
    (tmp_path / "src" / "code.py").write_text("2\n")
    assert environment()["git_commit"] == f"{commit}-dirty"
    assert environment()["uncommitted"] == ["src/code.py"], "what was dirty is recorded"


def test_without_a_repository_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert environment()["git_commit"] is None
