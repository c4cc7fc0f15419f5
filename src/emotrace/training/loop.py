"""One training loop for every model: exact resume, logged losses, progress with the time that is left.

Every random choice of a step is drawn from ``(seed, step)`` alone: a run that was interrupted and resumed from its last
checkpoint takes the same steps, bit for bit, as one that was not. The batch of a recipe is that of all processes
together, so their number changes the results by rounding alone. B is the batch.
"""

import csv
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor, nn
from tqdm import tqdm

from emotrace.corpus.files import atomic_file
from emotrace.training.processes import Processes, own_part

CHECKPOINT, LOSSES = "checkpoint.pt", "losses.csv"
CURVE_POINTS = 40
Rate = Callable[[int], float]  # step -> multiple of the learning rate


@dataclass(frozen=True)
class LoopConfig:
    """How long and how often. ``steps`` counts optimiser updates, from the start of training and not of this call.

    ``precision`` is accelerate's: "no" (float32) or "bf16" (the forward passes in bfloat16). After each of the
    ``snapshots`` steps, `fit` hands out the model as it is then.
    """

    steps: int
    seed: int = 0
    checkpoint_every: int = 100
    log_every: int = 10
    precision: str = "no"
    snapshots: tuple[int, ...] = ()


class Recipe:
    """What the loop needs to know of a model: its parts, how a batch is drawn and how a step is taken.

    Subclasses implement ``batch`` and ``update``.

    Args:
        modules: the networks that are trained, by name; they are put in training mode.
    """

    def __init__(self, **modules: nn.Module):
        self.modules = {name: module.train() for name, module in modules.items()}
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self.schedulers: dict[str, torch.optim.lr_scheduler.LRScheduler] = {}

    def batch(self, rng: np.random.Generator) -> Any:
        """Draw the batch of one step, tensors (B, ...); every random choice comes from ``rng``."""
        raise NotImplementedError

    def part(self, rng: np.random.Generator, index: int, count: int) -> Any:
        """What process ``index`` of ``count`` learns from; all draw the same batch and take their own part of it."""
        return own_part(self.batch(rng), index, count)

    def update(self, batch: Any, step: int, accelerator: Accelerator) -> dict[str, float]:
        """Take one optimiser step on a batch that is on the device, and return the losses to log.

        Every backward pass goes through ``accelerator``, and the optimiser that uses it clears its gradients after.
        """
        raise NotImplementedError

    def use_adamw(
        self, name: str, modules: Iterable[str], rate: Rate, peak: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        """Train some modules by an AdamW of this name, at a learning rate of ``peak`` times ``rate`` of the step."""
        parameters = [parameter for module in modules for parameter in self.modules[module].parameters()]
        self.optimisers[name] = torch.optim.AdamW(parameters, lr=peak, betas=betas, weight_decay=0.01)
        self.schedulers[name] = torch.optim.lr_scheduler.LambdaLR(self.optimisers[name], rate)

    def descend(
        self, loss: Tensor, accelerator: Accelerator, by: str = "adamw", *, clipped: str = "", norm: float = 0.0
    ) -> None:
        """One step of the optimiser ``by`` and its schedule; the module ``clipped`` gets no gradient above ``norm``."""
        accelerator.backward(loss)
        if clipped:
            nn.utils.clip_grad_norm_(self.modules[clipped].parameters(), norm)
        self.optimisers[by].step()
        self.optimisers[by].zero_grad()
        self.schedulers[by].step()

    def state(self) -> dict[str, Any]:
        """The state of every module, optimiser and schedule, by kind and name."""
        return {kind: {name: part.state_dict() for name, part in parts.items()} for kind, parts in self._parts()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        for kind, parts in self._parts():
            for name, part in parts.items():
                part.load_state_dict(state[kind][name])

    def _parts(self) -> list[tuple[str, dict[str, Any]]]:
        return [(kind, getattr(self, kind)) for kind in ("modules", "optimisers", "schedulers")]


def warm_up_then_decay(warm_up: int, steps: int) -> Rate:
    """A learning rate that rises linearly for ``warm_up`` steps and then falls linearly to a twentieth at ``steps``."""
    return lambda step: min(1.0, (step + 1) / warm_up) * max(0.05, 1.0 - step / steps)


@dataclass(frozen=True)
class TrainingRecord:
    """What a model card says of a training run: steps, seconds of computing, the last logged losses and their curves.

    A curve is a list of (step, mean of the loss since the step before).
    """

    steps: int
    seconds: float
    losses: dict[str, float]
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


class TrainingFolder:
    """The checkpoint and the losses of a training; every process reads them, the main one writes.

    Args:
        folder: where; made if it is not there.
        writes: whether this process writes.
    """

    def __init__(self, folder: Path, *, writes: bool = True):
        self.folder, self._writes = folder, writes
        self.last: dict[str, float] = {}  # losses that were logged last
        folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, Any]:
        """The checkpoint: "state", "step" and "seconds" of computing; at step 0 there is no state."""
        path = self.folder / CHECKPOINT
        there = path.exists()
        return torch.load(path, map_location="cpu", weights_only=True) if there else {"step": 0, "seconds": 0.0}

    def save(self, state: dict[str, Any], step: int, seconds: float) -> None:
        """Replace the checkpoint, atomically."""
        if self._writes:
            with atomic_file(self.folder / CHECKPOINT) as temporary:
                torch.save({"state": state, "step": step, "seconds": seconds}, temporary)

    def log(self, step: int, losses: dict[str, float]) -> None:
        """Append to losses.csv, long form (step, loss, value)."""
        self.last = dict(losses)
        if self._writes:
            with (self.folder / LOSSES).open("a", newline="") as file:
                csv.writer(file).writerows((step, name, f"{value:.6g}") for name, value in losses.items())

    def curves(self, points: int = CURVE_POINTS) -> dict[str, list[tuple[int, float]]]:
        """The logged losses by name, as at most ``points`` pairs: last step of a stretch and the mean over it."""
        logged: dict[str, list[tuple[int, float]]] = {}
        for step, name, value in self._logged():
            logged.setdefault(name, []).append((int(step), float(value)))
        curves = {}
        for name, pairs in logged.items():
            length = -(-len(pairs) // points)
            stretches = [pairs[start : start + length] for start in range(0, len(pairs), length)]
            curves[name] = [(part[-1][0], round(fmean(value for _, value in part), 5)) for part in stretches]
        return curves

    def drop_losses_after(self, step: int) -> None:
        """Begin losses.csv, or drop its lines after the step of the checkpoint."""
        rows = [row for row in self._logged() if int(row[0]) <= step]
        self.last = {name: float(value) for at, name, value in rows if at == rows[-1][0]}
        if self._writes:
            with atomic_file(self.folder / LOSSES) as temporary, temporary.open("w", newline="") as file:
                csv.writer(file).writerows([("step", "loss", "value"), *rows])

    def _logged(self) -> list[list[str]]:
        """The lines (step, loss, value) of losses.csv."""
        path = self.folder / LOSSES
        return list(csv.reader(path.read_text().splitlines()))[1:] if path.exists() else []


def fit(
    recipe: Recipe, config: LoopConfig, folder: Path, *, snapshot: Callable[[TrainingRecord], None] | None = None
) -> TrainingRecord:
    """Train ``recipe`` for ``config.steps`` steps, resuming from ``folder`` where a checkpoint lies there.

    Under `accelerate launch` or `torchrun` every process calls this with the same recipe; the main one writes.

    Args:
        recipe: the model and how it learns.
        config: steps, seed, how often to log and to save, precision.
        folder: receives ``checkpoint.pt`` (atomic) and ``losses.csv``; several machines must share it.
        snapshot: called by every process after each of ``config.snapshots`` steps, with the modules in training; once
            more for a step that is repeated after an interruption.

    Raises:
        FloatingPointError: a loss is not finite; the last checkpoint stays as it is.
        ValueError: the processes cannot share a batch evenly, or do not see the same checkpoint.
    """
    processes = Processes(config.precision)
    recipe.modules = {name: processes.share(module) for name, module in recipe.modules.items()}
    recipe.optimisers = {name: processes.prepare(optimiser) for name, optimiser in recipe.optimisers.items()}
    files = TrainingFolder(folder, writes=processes.is_main_process)
    done, seconds = _resume(recipe, files, processes)
    started = time.monotonic() - seconds
    bar = {"desc": folder.name, "unit": "step", "mininterval": 5, "disable": not processes.is_main_process}
    with tqdm(total=config.steps, initial=done, **bar) as progress:
        for step in range(done, config.steps):
            losses = _one_step(recipe, config, step, processes)
            seconds = time.monotonic() - started
            progress.update()
            if (step + 1) % config.log_every == 0 or step + 1 == config.steps:
                files.log(step + 1, losses)
                progress.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            if snapshot is not None and step + 1 in config.snapshots:
                snapshot(TrainingRecord(step + 1, seconds, losses, files.curves()))
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                files.save(recipe.state(), step + 1, seconds)
    processes.wait_for_everyone()
    recipe.modules = {name: _released(module) for name, module in recipe.modules.items()}
    return TrainingRecord(config.steps, round(seconds, 1), files.last, files.curves())


def _resume(recipe: Recipe, files: TrainingFolder, processes: Processes) -> tuple[int, float]:
    """Steps done and seconds they took."""
    saved = files.read()
    processes.require_same(
        saved["step"],
        f"the processes see checkpoints of different steps in {files.folder}; put it where all of them see it",
    )
    if saved["step"]:
        recipe.load_state(saved["state"])
    files.drop_losses_after(saved["step"])
    return saved["step"], saved["seconds"]


def _one_step(recipe: Recipe, config: LoopConfig, step: int, processes: Processes) -> dict[str, float]:
    index, count = processes.process_index, processes.num_processes
    # dropout and the like draw from torch's generator: seeded by step and process, it needs no saving
    torch.manual_seed(config.seed * 1_000_003 + step + index * 500_000_009)  # of which the CPU takes 32 bits
    part = recipe.part(np.random.default_rng((config.seed, step, 0)), index, count)
    losses = processes.mean(recipe.update(send_to_device(part, processes.device), step, processes))
    processes.average_statistics()
    wrong = [name for name, value in losses.items() if not np.isfinite(value)]
    if wrong:
        raise FloatingPointError(f"step {step + 1}: loss {', '.join(wrong)} is not finite; lower the learning rate")
    return losses


def _released(module: nn.Module) -> nn.Module:
    """The module as it was given: on the CPU, computing in float32."""
    vars(module).pop("forward", None)  # accelerate's autocast is an attribute of the instance
    return module.cpu()
