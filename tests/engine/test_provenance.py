"""Where a result comes from, and what makes a recorded one stale."""

import hashlib
import subprocess
from pathlib import Path

from emotrace.corpus.files import file_sha256
from emotrace.engine import provenance
from emotrace.engine.provenance import circumstances, cpu, differences, environment


def test_differences_are_named():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ["b", "c"]
    assert differences({"a": [1]}, {"a": [1]}) == []
    assert differences({"a": None}, {}) == [], "nothing is nothing"


def test_differences_within_entries_are_named_with_their_place():
    recorded = {"components": {"f0": {"code": "a", "weights": {"x": 1}}, "gone": {"code": "b"}}, "device": "cpu"}
    expected = {"components": {"f0": {"code": "a", "weights": {"x": 2}}, "new": {"code": "c"}}, "device": "cpu"}
    assert differences(recorded, expected) == ["components: f0: weights: x", "components: gone", "components: new"]
    assert differences(recorded, {"components": None, "device": "cuda"}) == ["components", "device"]


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"bytes" * 100_000)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"bytes" * 100_000).hexdigest()


def test_a_record_says_when_and_where_it_was_made():
    found = circumstances(12.34)
    assert set(found) == {"environment", "recorded", "wall_seconds_of_last_call"}
    assert found["wall_seconds_of_last_call"] == 12.3
    assert set(environment()) == set(found["environment"])


def test_the_environment_names_the_versions_that_computed():
    assert environment()["versions"]["torch"]


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
