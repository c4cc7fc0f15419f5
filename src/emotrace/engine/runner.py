"""One engine for everything that is computed from files and recorded: rows, probing, the learning curve.

A `Work` says what it depends on, which files have to be made, and how they become tables. The engine makes what is
missing, locally or on a cluster; killed, it resumes; at the end it writes the tables and, last, their provenance.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from emotrace.corpus.files import file_sha256, write_text_atomic
from emotrace.engine.provenance import circumstances, differences
from emotrace.engine.workers import DEFAULT_JOBS, NATIVE, LocalWorkers, Task, Workers

Stages = Sequence[tuple[str, Sequence[Task]]]


class RunError(ValueError):
    """What was asked for cannot be run; the message says what to do."""


@dataclass(frozen=True)
class Record:
    """Tables among the results, and the JSON file of provenance beside them that declares them valid."""

    provenance: Path
    tables: tuple[Path, ...]

    def read(self) -> dict[str, Any] | None:
        """The provenance; None where it or a table is absent."""
        if not all(path.is_file() for path in (self.provenance, *self.tables)):
            return None
        return json.loads(self.provenance.read_text())


class Work(Protocol):
    """Something to compute and to record."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def record(self) -> Record:
        """Where its results lie."""

    def identity(self, recorded: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """All that the results depend on, as JSON writes it; from ``recorded`` what cannot be known without data."""

    def require(self) -> None:
        """Raise RunError or ModelError where data or models are missing."""

    def stages(self) -> Stages:
        """The files to make, stage by stage, each with what it is called; a stage needs those before it."""

    def tables(self) -> Mapping[Path, Callable[[Path], None]]:
        """For every table of the record, what writes it; called when all files are made."""

    def about(self) -> dict[str, Any]:
        """What else the provenance says."""

    def require_unchanged_code(self) -> None:
        """Raise CodeChangedError when the code was edited meanwhile."""


@dataclass(frozen=True)
class State:
    """Where a work stands."""

    name: str
    state: str  #: "done", "stale" (with other code, models, data or settings), "unchecked", "partial" or "missing"
    reasons: tuple[str, ...] = ()  #: what differs, for a stale one; what is not installed, for an unchecked one
    files: int = 0  #: intermediate files that are there
    total: int = 0  #: all that are needed; 0 where that cannot be known


def state_of(work: Work) -> State:
    """Where a work stands. Without data or a model, recorded results are judged by everything else.

    Without a package that made them nobody can say what its code would be: they are unchecked.
    """
    recorded = work.record.read()
    if recorded is not None:
        try:
            reasons = tuple(differences(recorded["identity"], work.identity(recorded["identity"])))
        except ImportError as error:
            return State(work.name, "unchecked", (f"{error.name} is not installed",))
        return State(work.name, "stale" if reasons else "done", reasons)
    try:
        work.require()
    except (RunError, FileNotFoundError):
        return State(work.name, "missing")
    tasks = {task.output for _, stage in work.stages() for task in stage}
    done = sum(output.exists() for output in tasks)
    return State(work.name, "partial" if done else "missing", files=done, total=len(tasks))


def run(
    works: Sequence[Work],
    folder: Path,
    *,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    kernels: str = NATIVE,
    rerun_stale: bool = True,
) -> list[str]:
    """Run the works that are not done and return their names; no result depends on the workers or on the order.

    Args:
        folder: of the intermediate files; one run at a time works there.
        jobs: worker processes of this machine.
        scheduler: instead of those, the dask cluster behind this address or scheduler file.
        kernels: a name of `workers.KERNELS`.
        rerun_stale: also run what was recorded with other code, models or data.

    Raises:
        RunError, ModelError: data or a model is not there, or another process is at work in the folder.
        TaskError: a task failed, and the message names it, or the cluster cannot be used. What is done stays done.
        CodeChangedError: the code was edited meanwhile.
    """
    settled = ("done", "unchecked") if rerun_stale else ("done", "unchecked", "stale")
    wanted = [work for work in works if state_of(work).state not in settled]
    if scheduler is not None and not wanted:  # a wrong address is an error even where nothing is left to do
        from emotrace.engine.cluster import connect

        connect(scheduler).close()
    for work in wanted:
        work.require()
    if wanted:
        with running(folder, jobs, scheduler, kernels) as workers:
            for work in wanted:
                _run(work, workers)
    return [work.name for work in wanted]


def _run(work: Work, workers: Workers) -> None:
    started = time.monotonic()
    for description, tasks in work.stages():
        workers.run(tasks, f"{work.name}: {description}")
    work.require_unchanged_code()
    writers = work.tables()
    work.record.provenance.unlink(missing_ok=True)
    for path, write in writers.items():
        write(path)
    files = {path.name: file_sha256(path) for path in writers}
    provenance = {**work.about(), "identity": work.identity(), **circumstances(time.monotonic() - started)}
    write_text_atomic(work.record.provenance, json.dumps(provenance | {"files": files}, indent=2) + "\n")


@contextmanager
def running(folder: Path, jobs: int, scheduler: str | None = None, kernels: str = NATIVE) -> Iterator[Workers]:
    """Workers for one run; a folder has one at a time. The system releases the lock with the process, even killed.

    Raises RunError where another run is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"another run is at work in {folder}; wait for it, or stop it") from error
        for left in folder.rglob(".*.tmp"):
            left.unlink(missing_ok=True)
        with _workers(folder, jobs, scheduler, kernels) as workers:
            yield workers


def _workers(folder: Path, jobs: int, scheduler: str | None, kernels: str) -> Workers:
    if scheduler is None:
        return LocalWorkers(jobs, kernels)
    from emotrace.engine.cluster import ClusterWorkers  # here and not above: most runs are local

    return ClusterWorkers(scheduler, folder, kernels)
