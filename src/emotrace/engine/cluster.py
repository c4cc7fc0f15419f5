"""The tasks of a run on a dask cluster that the user has already: the same files, and so the same results, as here.

``--scheduler`` takes an address, tcp://host:8786, or the path of a scheduler file. This machine and the workers share
the folders of corpora, models and work, and have the same code and libraries; both are checked on every worker. The
book's page "Run it" starts clusters on SLURM and Kubernetes.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker
from threadpoolctl import threadpool_limits

from emotrace.engine.code import package_digest
from emotrace.engine.provenance import cpu, environment
from emotrace.engine.workers import KERNELS, NATIVE, THREAD_VARIABLES, Task, TaskError, Workers, limit_torch

CONNECT_SECONDS = 10
PATIENCE = 300.0  # seconds without any worker before a run gives up: a queue may be slow to start them
_ADDRESS = re.compile(r"(\w+://)?[^/\s]+:\d+")
_ONE_AT_A_TIME = threading.Lock()  # a worker may have several threads; the recognisers are not made for that


class ClusterError(TaskError):
    """The cluster cannot be used, or is lost; the message says what to do."""


class ClusterWorkers(Workers):
    """Workers of the dask cluster behind ``scheduler``; a task whose worker is lost is done again by another.

    Args:
        scheduler: address or scheduler file.
        folder: of the run, on the file system that the workers share.
        kernels: a name of `workers.KERNELS`, whose environment the workers must have been started in.
        patience: seconds without any worker before giving up.

    Raises ClusterError where nobody answers, or a worker is unfit; the message says which.
    """

    def __init__(self, scheduler: str, folder: Path, kernels: str = NATIVE, *, patience: float = PATIENCE):
        self._patience, self._environment = patience, own_environment(folder, kernels)
        self._client = connect(scheduler)
        try:
            self._require_fit(scheduler)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._environment.probe.unlink(missing_ok=True)

    def _require_fit(self, scheduler: str) -> None:
        try:
            self._client.wait_for_workers(1, timeout=self._patience)
        except TimeoutError as error:
            words = f"no worker in {self._patience:.0f} s; start some: dask worker {scheduler}"
            raise ClusterError(f"--scheduler {scheduler}: {words}") from error
        try:
            self._client.run_on_scheduler(cpu)  # any function of emotrace
        except Exception as error:  # whatever the scheduler's pickle raises
            words = f"the scheduler cannot load emotrace ({error}); start it where the workers have it"
            raise ClusterError(words) from error
        self._environment.probe.write_text(self._environment.content)
        if unfit := _unfit(self._client.run(mismatches, self._environment, on_error="return")):
            raise ClusterError(unfit)
        threads = max((worker["nthreads"] for worker in self._client.scheduler_info()["workers"].values()), default=1)
        if threads > 1:
            note = "start them with --nthreads 1, one for each core, to use all"
            print(f"emotrace: workers have up to {threads} threads, one of which computes; {note}", file=sys.stderr)

    def _finished(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, BaseException | None]]:
        futures = self._client.map(do, tasks, wanted=self._environment, pure=False, key="emotrace")
        waiting = {future.key: (future, task) for future, task in zip(futures, tasks, strict=True)}
        ended: SimpleQueue[Any] = SimpleQueue()
        for future in futures:
            future.add_done_callback(ended.put)
        del futures, future  # a future that is held is computed again when the worker of its result is lost
        try:
            while waiting:
                future, task = waiting.pop(self._next(ended))
                yield task, _error(future)
        finally:
            if waiting and self._client.status == "running":
                self._client.cancel([future for future, _ in waiting.values()])

    def _next(self, ended: SimpleQueue[Any]) -> str:
        """Key of the task that ends next."""
        seen = time.monotonic()
        while True:
            try:
                return ended.get(timeout=1).key
            except Empty:
                if self._client.status == "running" and self._client.scheduler_info()["workers"]:
                    seen = time.monotonic()
            if time.monotonic() - seen > self._patience:
                words = "what is done stays done: start workers and repeat the command"
                raise ClusterError(f"all workers are gone for {self._patience:.0f} s; {words}")

    def _is_there(self, output: Path) -> bool:
        # the worker has seen the file; a network file system may remember its absence here until the folder is listed
        for pause in (0.0, 0.2, 1.0, 5.0, 30.0):
            time.sleep(pause)
            if output.exists() or (output.parent.is_dir() and output.name in os.listdir(output.parent)):
                return True
        return False


def do(task: Task, wanted: WorkerEnvironment) -> None:
    """On a worker: do one task as a local worker would, with one thread.

    Raises ClusterError where this worker joined late and is unfit, TaskError without output, and what the task raises.
    """
    if lacking := mismatches(wanted):
        raise ClusterError("; ".join(lacking))
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))  # for the libraries that the task itself loads
    limit_torch()
    with _ONE_AT_A_TIME, threadpool_limits(1):
        if not task.output.exists():  # there already, if a worker was lost after it had written the file
            task.function(task.output, *task.arguments)
    if not task.output.exists():
        raise TaskError(f"no output was written to {task.output}")


def connect(scheduler: str) -> Client:
    """A client of the dask cluster behind an address or a scheduler file. Raises ClusterError where none answers."""
    is_file = Path(scheduler).is_file()
    if not is_file and not _ADDRESS.fullmatch(scheduler):
        raise ClusterError(f"--scheduler {scheduler}: no such scheduler file, and no address such as tcp://host:8786")
    where = {"scheduler_file": scheduler} if is_file else {"address": scheduler}
    try:
        return Client(**where, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, KeyError) as error:
        words = f"no dask scheduler answers there ({error}); start one (dask scheduler) or give another address"
        raise ClusterError(f"--scheduler {scheduler}: {words}") from error


def _unfit(answers: Mapping[str, Any]) -> str:
    """One message about the workers, by address, that failed or do not fit; empty if none did."""
    unfit = {
        worker: f"cannot load emotrace ({answer})" if isinstance(answer, BaseException) else "; ".join(answer)
        for worker, answer in answers.items()
        if answer
    }
    if not unfit:
        return ""
    worker, words = next(iter(unfit.items()))
    return f"{len(unfit)} of {len(answers)} workers cannot be used; worker {worker} {words}"


def _error(future: Future) -> BaseException | None:
    """Why a task failed."""
    if future.status == "finished":
        return None
    if future.status != "error":
        return ClusterError("the scheduler was lost or dropped the task; what is done stays done: repeat the command")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return ClusterError("every worker that tried it died (out of memory?); give the workers more and repeat")
    return error


@dataclass(frozen=True)
class WorkerEnvironment:
    """What a worker must have in common with the machine that asks."""

    versions: tuple[tuple[str, str | None], ...]  #: of Python and of every library that computes
    code: str  #: digest of the package
    kernels: tuple[tuple[str, str], ...]  #: environment variables; libraries read them when they are loaded
    probe: Path  #: a file in the folder of the run
    content: str  #: what is written there


def own_environment(folder: Path, kernels: str = NATIVE) -> WorkerEnvironment:
    """This machine, and a probe for the folder of a run; the caller writes ``content`` to it."""
    token = uuid.uuid4().hex
    probe = folder.absolute() / f".cluster.{token}.tmp"
    return WorkerEnvironment(_versions(), package_digest(), tuple(KERNELS[kernels].items()), probe, token)


@lru_cache(maxsize=4)
def mismatches(wanted: WorkerEnvironment) -> tuple[str, ...]:
    """On a worker: what it lacks to work for ``wanted``."""
    mine, folder = dict(_versions()), wanted.probe.parent
    found = [
        f"has {name} {mine.get(name)}, not {version}" for name, version in wanted.versions if mine.get(name) != version
    ]
    if _loaded_code() != wanted.code:
        found.append("runs another version of emotrace: install this one and restart the workers")
    if any(os.environ.get(name) != value for name, value in wanted.kernels):
        variables = " ".join(f"{name}={value}" for name, value in wanted.kernels)
        found.append(f"computes with other kernels: start it as {variables} dask worker ...")
    if not os.access(wanted.probe, os.R_OK) or wanted.probe.read_text() != wanted.content:
        found.append(f"does not see {folder} as this machine does: put it on a file system that both share")
    elif not os.access(folder, os.W_OK):
        found.append(f"may not write to {folder}")
    return tuple(found)


def _versions() -> tuple[tuple[str, str | None], ...]:
    found = environment()
    python = found["python"].rpartition(".")[0]
    return tuple(sorted({**found["versions"], "Python": python}.items()))


@lru_cache(maxsize=1)
def _loaded_code() -> str:
    """Of the code when this worker first worked: a later edit of the files does not change what is loaded."""
    return package_digest()
