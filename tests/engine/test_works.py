"""The engine with a small work: where it stands, what is recorded, and that a record is the last thing written."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from small_tasks import square_tasks

from emotrace.corpus.files import file_sha256
from emotrace.engine.provenance import CodeChangedError
from emotrace.engine.runner import Record, RunError, State, run, state_of
from emotrace.engine.workers import TaskError

pytestmark = pytest.mark.usefixtures("inline_workers")


@dataclass
class Squares:
    """A work of the engine: squares of some numbers, and a table of them."""

    folder: Path
    numbers: tuple[int, ...] = (2, 3)
    settings: dict = field(default_factory=lambda: {"factor": 1})
    changed: bool = False
    name: str = "squares"

    @property
    def record(self) -> Record:
        return Record(self.folder / "results" / "provenance.json", (self.folder / "results" / "table.txt",))

    def identity(self, recorded=None):
        return {"numbers": list(self.numbers), "settings": self.settings}

    def require(self):
        if not self.numbers:
            raise RunError("no numbers")

    def stages(self):
        return [("squares", square_tasks(self.folder, self.numbers))]

    def tables(self):
        text = "".join((self.folder / f"{number}.txt").read_text() for number in self.numbers)
        return {self.record.tables[0]: partial(write_table, text=text)}

    def about(self):
        return {"what": "squares"}

    def require_unchanged_code(self):
        if self.changed:
            raise CodeChangedError("repeat the command")


def write_table(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run_squares(*works: Squares, **options) -> list[str]:
    return run(works, works[0].folder, jobs=1, **options)


def test_a_work_is_missing_then_partial_then_done_then_stale(tmp_path):
    work = Squares(tmp_path)
    assert state_of(work) == State("squares", "missing", files=0, total=2)
    (tmp_path / "2.txt").write_text("4\n")
    assert state_of(work) == State("squares", "partial", files=1, total=2)
    assert run_squares(work) == ["squares"] and state_of(work).state == "done" and run_squares(work) == []
    assert (tmp_path / "log").read_text() == "3\n"
    changed = replace(work, settings={"factor": 2})
    assert state_of(changed) == State("squares", "stale", ("settings: factor",))
    assert run_squares(changed, rerun_stale=False) == []
    assert run_squares(changed) == ["squares"] and state_of(changed).state == "done"


def test_the_record_says_what_it_is_of_and_holds_the_hash_of_every_table(tmp_path):
    work = Squares(tmp_path)
    run_squares(work)
    recorded = work.record.read()
    assert recorded["what"] == "squares" and recorded["identity"] == work.identity()
    assert recorded["files"] == {"table.txt": file_sha256(work.record.tables[0])}
    assert recorded["environment"]["versions"]["torch"]
    work.record.tables[0].unlink()
    assert work.record.read() is None and state_of(work).state == "partial"


def test_a_table_that_cannot_be_written_leaves_no_record_that_declares_it_valid(tmp_path, monkeypatch):
    work = Squares(tmp_path)
    run_squares(work)

    def fail(path, text):
        raise OSError("disk full")

    monkeypatch.setitem(globals(), "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        run_squares(replace(work, settings={"factor": 2}))
    assert work.record.read() is None


def test_code_that_changed_meanwhile_leaves_the_record_as_it_was(tmp_path):
    work = Squares(tmp_path)
    with pytest.raises(CodeChangedError):
        run_squares(replace(work, changed=True))
    assert work.record.read() is None and state_of(work) == State("squares", "partial", files=2, total=2)


def test_what_a_work_lacks_is_said_before_anything_is_computed(tmp_path):
    with pytest.raises(RunError, match="no numbers"):
        run_squares(Squares(tmp_path), Squares(tmp_path / "other", numbers=()))
    assert not list(tmp_path.glob("*.txt"))


def test_a_task_that_fails_stops_the_run_and_what_is_done_stays_done(tmp_path):
    with pytest.raises(TaskError, match="square of -1: ValueError: no negative numbers"):
        run_squares(Squares(tmp_path, numbers=(2, -1, 3)))
    assert (tmp_path / "2.txt").read_text() == "4\n"
    assert state_of(Squares(tmp_path, numbers=(2, -1, 3))).files == 1


def test_leftovers_of_a_killed_run_are_cleared_away(tmp_path):
    left = tmp_path / "deep" / ".2.txt.1234.tmp"
    left.parent.mkdir()
    left.touch()
    run_squares(Squares(tmp_path))
    assert not left.exists()
