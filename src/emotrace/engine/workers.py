"""Many small tasks on a few processes: resumable, atomic, and the same results for any order and any workers."""

import multiprocessing
import os
import sys
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

DEFAULT_JOBS = min(2, os.cpu_count() or 1)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
NATIVE, PORTABLE = "native", "portable"
KERNELS: dict[str, dict[str, str]] = {
    NATIVE: {},
    PORTABLE: {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Haswell",
        "CT2_FORCE_CPU_ISA": "AVX2",
        "CT2_USE_MKL": "0",
    },
}
"""Environment of the worker processes. Native: each library takes the fastest kernels of the CPU at hand, whose sums
differ in the last bit between makers and models. Portable: those that every x86-64 CPU with AVX2 has, half as fast.
MKL alone takes other kernels on AMD than on Intel, unless it is told to be compatible."""


class TaskError(RuntimeError):
    """A task failed; the message names it and says why."""


@dataclass(frozen=True)
class Task:
    """One file to make: ``function(output, *arguments)``."""

    name: str  #: what the user would call it, for error messages, e.g. "none-T6 emotional actor13-..."
    output: Path  #: that it exists means that the task is done, so ``function`` must write it atomically
    function: Callable[..., None]  #: at module level; its result depends on the arguments alone
    arguments: tuple[Any, ...] = ()
    kind: str = ""  #: what it does, for a plan of the time it takes


class Workers(AbstractContextManager):
    """Whoever does the tasks: processes of this machine (`LocalWorkers`) or of a cluster (`cluster.ClusterWorkers`)."""

    def run(self, tasks: Sequence[Task], description: str) -> int:
        """Do the tasks whose output does not exist yet and return how many those were.

        Raises TaskError at the first task that fails; what is done stays done.
        """
        missing = [task for task in tasks if not task.output.exists()]
        if not missing:
            return 0
        # a log file gets a line every ten seconds, a terminal two a second
        pause = 0.5 if sys.stderr.isatty() else 10
        done = len(tasks) - len(missing)
        with tqdm(total=len(tasks), initial=done, desc=description, unit="file", mininterval=pause) as progress:
            with closing(self._finished(missing)) as finished:
                for task, error in finished:
                    if error is not None:
                        kind = "" if isinstance(error, TaskError) else f"{type(error).__name__}: "
                        raise TaskError(f"{task.name}: {kind}{error}") from error
                    if not self._is_there(task.output):
                        raise TaskError(f"{task.name}: no output was written to {task.output}")
                    progress.update()
        return len(missing)

    @abstractmethod
    def _finished(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, BaseException | None]]:
        """Start the tasks and yield each when it ends, with its error; closed, cancel what has not begun."""

    def _is_there(self, output: Path) -> bool:
        return output.exists()


class LocalWorkers(Workers):
    """Worker processes, started when first needed, each with one thread and with its models loaded once.

    Even a single job runs in a process of its own, so that the number of threads, and with it the last bit of a sum,
    never depends on ``jobs``. ``kernels`` is a name of KERNELS.
    """

    def __init__(self, jobs: int = DEFAULT_JOBS, kernels: str = NATIVE):
        self._jobs = jobs
        self._environment = dict.fromkeys(THREAD_VARIABLES, "1") | KERNELS[kernels]
        self._pool: ProcessPoolExecutor | None = None

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _finished(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, BaseException | None]]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._jobs, context, initializer=_start_worker)
        with _environment(self._environment):  # of the processes that a submission starts
            futures = {self._pool.submit(task.function, task.output, *task.arguments): task for task in tasks}
        try:
            for future in as_completed(futures):
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    message = "a worker process was killed (out of memory?); repeat the command with --jobs 1 to resume"
                    raise TaskError(message) from error
                yield futures[future], error
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment for the processes started meanwhile: numerical libraries read it when they are imported."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _start_worker() -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    limit_torch()


def limit_torch() -> None:
    """One thread for torch in this process, where torch is installed."""
    if find_spec("torch"):
        import torch  # here and not above: the parent may never need it

        torch.set_num_threads(1)


def _die_with_parent() -> None:
    """Without this, a SIGKILL of the run would leave its workers waiting for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)
