"""What all benchmarks share: settings, interleaved timing, and a report of ratios with their targets."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import torch

Tasks = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Settings:
    """How a benchmark is run.

    Attributes:
        quick: small sizes and few repetitions, to see that everything works; its ratios mean little.
        repetitions: rounds of every task; the medians count.
        eer_limit: seconds of computing after which SpeechBrain's EER is stopped.
    """

    quick: bool = False
    repetitions: int = 5
    eer_limit: float = 60.0


@dataclass(frozen=True)
class Ratio:
    """A measured ratio, and the target where there is one: at most it, or at least it."""

    name: str
    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    @property
    def target(self) -> str:
        """The target as a table shows it."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return "" if self.at_least is None else f">= {self.at_least:g}"


@dataclass(frozen=True)
class Report:
    """What one benchmark found: its ratios, and everything that they were computed from."""

    title: str
    ratios: tuple[Ratio, ...]
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON can write it."""
        ratios = [{**asdict(ratio), "met": ratio.met} for ratio in self.ratios]
        return {"title": self.title, "ratios": ratios, "details": self.details}


@dataclass(frozen=True)
class Timings:
    """Seconds of every task in every round."""

    seconds: dict[str, list[float]]

    def __getitem__(self, name: str) -> float:
        """Median seconds of a task."""
        return median(self.seconds[name])

    def ratio(self, numerator: list[str], denominator: list[str]) -> float:
        """Median over the rounds of one sum of tasks over another: both saw the same machine in each round."""
        rounds = range(len(next(iter(self.seconds.values()))))
        return median(self._sum(numerator, i) / self._sum(denominator, i) for i in rounds)

    def _sum(self, names: list[str], i: int) -> float:
        return sum(self.seconds[name][i] for name in names)


def interleaved(tasks: Tasks, repetitions: int) -> Timings:
    """Time tasks in turn: one round to warm up, then ``repetitions`` rounds; a busy spell hits all of them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for i in range(-1, repetitions):
        for name, task in tasks.items():
            taken = timed(task)
            if i >= 0:
                seconds[name].append(taken)
    return Timings(seconds)


def timed(task: Callable[[], object]) -> float:
    """Seconds that a call takes: computing time of this process with one thread, time on the clock with several.

    On an idle machine the two are the same for one thread; on a shared one the former leaves out the waiting.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    task()
    return clock() - start


def rounded(values: Mapping[str, float], digits: int = 4) -> dict[str, float]:
    """Values to as many significant digits as are worth reading."""
    return {name: float(f"{value:.{digits}g}") for name, value in values.items()}
