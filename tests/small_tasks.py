"""Tasks for the tests of the workers, in a module of their own: a worker process imports nothing heavy for them."""

import json
import os
import time
from pathlib import Path

from emotrace.corpus.files import write_text_atomic
from emotrace.study.workers import Task


def square(output: Path, number: int, log: Path) -> None:
    """A stand-in stage: slow enough to be killed in the middle."""
    if number < 0:
        raise ValueError("no negative numbers")
    with log.open("a") as file:
        file.write(f"{number}\n")
    time.sleep(0.05)
    if number != 13:
        write_text_atomic(output, f"{number**2}\n")


def square_tasks(folder: Path, numbers) -> list[Task]:
    return [Task(f"square of {n}", folder / f"{n}.txt", square, (n, folder / "log")) for n in numbers]


def meet(output: Path, folder: Path) -> None:
    """Says which process it runs in, and ends when a file "go" is there."""
    (folder / f"{os.getpid()}.pid").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    output.write_text(f"{output.stem}\n")


def write_environment(output: Path, *names: str) -> None:
    """Values of some variables of the process that does the task."""
    output.write_text(json.dumps({name: os.environ.get(name) for name in names}))


def torch_threads() -> int:
    import torch

    return torch.get_num_threads()
