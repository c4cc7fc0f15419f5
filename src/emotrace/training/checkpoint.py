"""What a training keeps in its folder: the checkpoint that it resumes from, its seconds so far, and its losses."""

import csv
import json
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from emotrace.corpus.files import atomic_file, write_text_atomic

CHECKPOINT = "checkpoint.pt"
LOSSES = "losses.csv"
PROGRESS = "progress.json"
CURVE_POINTS = 40


class TrainingFolder:
    """Read by every process of a training, written by the main one.

    Args:
        folder: where; made if it is not there.
        writes: whether this process writes.
    """

    def __init__(self, folder: Path, *, writes: bool = True):
        self.folder, self._writes = folder, writes
        self.last: dict[str, float] = {}  # losses that were logged last
        folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, Any] | None:
        """The checkpoint, "state", "step" and "seconds", if there is one."""
        path = self.folder / CHECKPOINT
        return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None

    def save(self, state: dict[str, Any], step: int, seconds: float) -> None:
        """Replace the checkpoint, atomically."""
        if not self._writes:
            return
        with atomic_file(self.folder / CHECKPOINT) as temporary:
            torch.save({"state": state, "step": step, "seconds": seconds}, temporary)
        write_text_atomic(self.folder / PROGRESS, json.dumps({"step": step, "seconds": round(seconds, 1)}))

    @property
    def seconds(self) -> float:
        """Seconds of computing that the checkpoint has cost."""
        return float(json.loads((self.folder / PROGRESS).read_text())["seconds"])

    def log(self, step: int, losses: dict[str, float]) -> None:
        """Append to losses.csv, long form (step, loss, value)."""
        self.last = dict(losses)
        if self._writes:
            with (self.folder / LOSSES).open("a", newline="") as file:
                csv.writer(file).writerows((step, name, f"{value:.6g}") for name, value in losses.items())

    def curve(self, points: int = CURVE_POINTS) -> dict[str, list[tuple[int, float]]]:
        """The logged losses by name, as at most ``points`` pairs: last step of a stretch and the mean over it."""
        with (self.folder / LOSSES).open() as file:
            rows = [(int(step), name, float(value)) for step, name, value in list(csv.reader(file))[1:]]
        curves: dict[str, list[tuple[int, float]]] = {}
        for name in dict.fromkeys(name for _, name, _ in rows):
            own = [(step, value) for step, other, value in rows if other == name]
            length = -(-len(own) // points)
            stretches = [own[start : start + length] for start in range(0, len(own), length)]
            curves[name] = [(part[-1][0], round(fmean(value for _, value in part), 5)) for part in stretches]
        return curves

    def drop_losses_after(self, step: int) -> None:
        """Begin losses.csv, or drop its lines after the step of the checkpoint."""
        path = self.folder / LOSSES
        rows = list(csv.reader(path.open())) if path.exists() else []
        kept = [row for row in rows[1:] if int(row[0]) <= step]
        self.last = {name: float(value) for at, name, value in kept if at == kept[-1][0]}
        if self._writes:
            with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
                csv.writer(file).writerows([("step", "loss", "value"), *kept])
