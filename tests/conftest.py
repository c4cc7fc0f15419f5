"""Fixtures of many test files."""

from collections.abc import Iterator, Sequence

import pytest

from emotrace.engine.workers import Task, Workers


class InlineWorkers(Workers):
    """Does the tasks in this process, one thread, so that models are loaded once for all tests of a file.

    What processes add is tested where it is the subject: test_runner.py, test_cluster.py, test_probing.py.
    """

    def __exit__(self, *_: object) -> None:
        pass

    def _finished(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, BaseException | None]]:
        for task in tasks:
            error = None
            try:
                task.function(task.output, *task.arguments)
            except Exception as raised:
                error = raised
            yield task, error


@pytest.fixture(scope="module")
def inline_workers() -> Iterator[None]:
    """Whatever is run meanwhile is run in this process."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotrace.engine.runner._workers", lambda *_: InlineWorkers())
        yield
    torch.set_num_threads(threads)
