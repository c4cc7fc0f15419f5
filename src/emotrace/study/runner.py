"""The runner: features once per utterance, then synthesis, measurement and results of each row; killed, it resumes."""

import fcntl
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emotrace.corpus.files import write_text_atomic
from emotrace.models import ModelError
from emotrace.study.assembly import TRIALS, UTTERANCES, References, trial_lines, utterance_lines, write_parquet
from emotrace.study.layout import ORIGINAL, Layout
from emotrace.study.profiles import ProfileError
from emotrace.study.provenance import circumstances, differences, file_sha256
from emotrace.study.rows import Row
from emotrace.study.workers import DEFAULT_JOBS, LocalWorkers, Workers

FILES = ("utterances.parquet", "trials.parquet", "provenance.json")


@dataclass(frozen=True)
class RowState:
    """Where a row stands.

    Attributes:
        state: "done", "stale" (recorded with other code, models, data or configuration), "partial" or "missing".
        reasons: what differs, for a stale row.
        files, total: intermediate files that are there, and all that are needed; 0 of 0 without the data.
    """

    row: str
    state: str
    reasons: tuple[str, ...] = ()
    files: int = 0
    total: int = 0


def read_provenance(layout: Layout, row: Row) -> dict[str, Any] | None:
    """The provenance of a row's recorded results; None where they are absent or incomplete."""
    folder = layout.results(row)
    if not all((folder / name).is_file() for name in FILES):
        return None
    return json.loads((folder / "provenance.json").read_text())


def row_state(layout: Layout, row: Row) -> RowState:
    """Where a row stands. Without the data, or a model, recorded results are judged by everything else."""
    recorded = read_provenance(layout, row)
    if recorded is not None:
        known = None if layout.profile.has_data() else recorded["identity"]["data"]
        expected = layout.identity(row, data=known)
        theirs = recorded["identity"]["models"]
        expected["models"] = {name: own or theirs.get(name) for name, own in expected["models"].items()}
        reasons = tuple(differences(recorded["identity"], expected))
        return RowState(row.name, "stale" if reasons else "done", reasons)
    if not layout.profile.has_data() or layout.missing_models([row]):
        return RowState(row.name, "missing")
    own = layout.own_tasks(row)
    done = sum(task.output.exists() for task in own)
    return RowState(row.name, "partial" if done else "missing", files=done, total=len(own))


def run_rows(
    layout: Layout,
    rows: Sequence[Row],
    *,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    rerun_stale: bool = True,
) -> list[str]:
    """Run the rows that are not done and return their names; no result depends on the workers or on the order.

    Args:
        jobs: worker processes of this machine.
        scheduler: instead of those, the dask cluster behind this address or scheduler file.

    Raises:
        ProfileError: the data is not there, or another process runs this profile.
        ModelError: a row needs a model that is not there.
        TaskError: an utterance failed; the message names it. What is done stays done.
        CodeChangedError: the code was edited meanwhile.
        ClusterError: the cluster cannot be used.
    """
    settled = ("done",) if rerun_stale else ("done", "stale")
    wanted = [row for row in rows if row_state(layout, row).state not in settled]
    if scheduler is not None and not wanted:
        require_scheduler(scheduler)
    if wanted:
        require(layout, wanted)
        with running(layout, jobs, scheduler) as workers:
            workers.run(layout.feature_tasks(wanted), "features")
            for row in wanted:
                _run_row(layout, row, workers)
    return [row.name for row in wanted]


def require(layout: Layout, rows: Sequence[Row]) -> None:
    """Raise ProfileError without the data, ModelError without a model that the rows need."""
    if not layout.profile.has_data():
        raise ProfileError(f"profile {layout.profile.name}: the data is not there; {layout.profile.missing}")
    if missing := layout.missing_models(rows):
        there = ", ".join(layout.models.names()) or "none"
        raise ModelError(
            f"no model {', '.join(missing)} in {layout.models.folder} (there: {there}); "
            f"train it (emotrace train {missing[0]}) or choose rows and a layer whose models are there"
        )


def require_scheduler(scheduler: str) -> None:
    """Raise ClusterError where no scheduler answers: a wrong address is an error even where nothing is left to do."""
    from emotrace.engine.cluster import connect

    connect(scheduler).close()


def _run_row(layout: Layout, row: Row, workers: Workers) -> None:
    started = time.monotonic()
    workers.run(layout.base_tasks(row), f"{row.name}: originals")
    workers.run(layout.earlier_tasks(row), f"{row.before.name}: synthesis")
    workers.run(layout.synthesis_tasks(row), f"{row.name}: synthesis")
    workers.run(layout.measure_tasks(row), f"{row.name}: measurement")
    _record(layout, row, time.monotonic() - started)


def _record(layout: Layout, row: Row, seconds: float) -> None:
    """Write the results of a finished row; provenance.json last, because it declares the others valid."""
    layout.require_unchanged_code()
    training = layout.training_version() if layout.profile.ser_training else None
    utterances, trials = [], []
    for corpus in layout.corpora(row):
        version = layout.version(row, corpus)
        references = References(layout.version(ORIGINAL, corpus), training)
        utterances.append(utterance_lines(version, references, layout.backends))
        trials.append(trial_lines(version, references))
    folder = layout.results(row)
    (folder / "provenance.json").unlink(missing_ok=True)
    write_parquet(folder / "utterances.parquet", pd.concat(utterances), UTTERANCES)
    write_parquet(folder / "trials.parquet", pd.concat(trials), TRIALS)
    provenance = _provenance(layout, row, seconds) | {"files": {name: file_sha256(folder / name) for name in FILES[:2]}}
    write_text_atomic(folder / "provenance.json", json.dumps(provenance, indent=2) + "\n")


def _provenance(layout: Layout, row: Row, seconds: float) -> dict[str, Any]:
    return {
        "row": row.name,
        "profile": layout.profile.name,
        "seed": layout.seed,
        "attackers": ["original"] if row.recorded else ["ignorant", "lazy-informed"],
        "identity": layout.identity(row),
        **circumstances(seconds),
    }


@contextmanager
def running(layout: Layout, jobs: int, scheduler: str | None = None) -> Iterator[Workers]:
    """Workers for one run; a profile has one at a time. The system releases the lock with the process, even killed."""
    folder = layout.profile.work
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProfileError(f"another run is at work in {folder}; wait for it, or stop it") from error
        for left in folder.rglob(".*.tmp"):
            left.unlink(missing_ok=True)
        with _workers(folder, jobs, scheduler, layout.profile.kernels) as workers:
            yield workers


def _workers(folder: Path, jobs: int, scheduler: str | None, kernels: str) -> Workers:
    if scheduler is None:
        return LocalWorkers(jobs, kernels)
    from emotrace.engine.cluster import ClusterWorkers  # here and not above: most runs are local

    return ClusterWorkers(scheduler, folder, kernels)
