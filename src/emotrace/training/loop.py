"""One training loop for every model: exact resume, logged losses, progress with the time that is left.

Every random choice of a step is drawn from ``(seed, step)`` alone: a run that was interrupted and resumed from its last
checkpoint takes the same steps, bit for bit, as one that was not. The batch of a recipe is that of all processes
together, so their number changes the results by rounding alone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import nn
from tqdm import tqdm

from emotrace.training.checkpoint import TrainingFolder
from emotrace.training.processes import Processes, own_part


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

    Subclasses fill ``modules``, ``optimisers`` and ``schedulers``, by name, and implement ``batch`` and ``update``.
    """

    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    schedulers: dict[str, Any]

    def batch(self, rng: np.random.Generator) -> Any:
        """Draw the batch of one step, tensors (B, ...); every random choice comes from ``rng``."""
        raise NotImplementedError

    def part(self, rng: np.random.Generator, index: int, count: int) -> Any:
        """What process ``index`` of ``count`` learns from; all draw the same batch and take their own part of it."""
        return own_part(self.batch(rng), index, count)

    def update(self, batch: Any, step: int, accelerator: Accelerator) -> dict[str, float]:
        """Take one optimiser step on a batch that is on the device, and return the losses to log.

        Every backward pass goes through ``accelerator``, and the optimiser that uses it clears its gradients after."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        parts = {"modules": self.modules, "optimisers": self.optimisers, "schedulers": self.schedulers}
        return {kind: {name: part.state_dict() for name, part in group.items()} for kind, group in parts.items()}

    def load_state(self, state: dict[str, Any]) -> None:
        parts = {"modules": self.modules, "optimisers": self.optimisers, "schedulers": self.schedulers}
        for kind, group in parts.items():
            for name, part in group.items():
                part.load_state_dict(state[kind][name])


def step_all(recipe: Recipe) -> None:
    """Step and clear every optimiser, then step every schedule."""
    for optimiser in recipe.optimisers.values():
        optimiser.step()
        optimiser.zero_grad()
    for scheduler in recipe.schedulers.values():
        scheduler.step()


def warm_up_then_decay(optimiser: torch.optim.Optimizer, warm_up: int, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Learning rate that rises linearly for ``warm_up`` steps and then falls linearly to a twentieth at ``steps``."""

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / warm_up) * max(0.05, 1.0 - step / steps)

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


@dataclass(frozen=True)
class TrainingRecord:
    """What a model card says of a training run: steps, seconds of computing, the last logged losses and their curves.

    A curve is a list of (step, mean of the loss since the step before).
    """

    steps: int
    seconds: float
    losses: dict[str, float]
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


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
    kept = TrainingFolder(folder, writes=processes.is_main_process)
    done, seconds = _resume(recipe, kept, processes)
    started = time.monotonic() - seconds
    bar = {"desc": folder.name, "unit": "step", "mininterval": 5, "disable": not processes.is_main_process}
    with tqdm(total=config.steps, initial=done, **bar) as progress:
        for step in range(done, config.steps):
            losses = _one_step(recipe, config, step, processes)
            progress.update()
            if (step + 1) % config.log_every == 0 or step + 1 == config.steps:
                kept.log(step + 1, losses)
                progress.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            if snapshot is not None and step + 1 in config.snapshots:
                snapshot(TrainingRecord(step + 1, time.monotonic() - started, losses, kept.curve()))
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                kept.save(recipe.state(), step + 1, time.monotonic() - started)
    processes.wait_for_everyone()
    recipe.modules = {name: _released(module) for name, module in recipe.modules.items()}
    return TrainingRecord(config.steps, kept.seconds, kept.last, kept.curve())


def _released(module: nn.Module) -> nn.Module:
    """The module as it was given: on the CPU, computing in float32."""
    vars(module).pop("forward", None)  # accelerate's autocast is an attribute of the instance
    return module.cpu()


def _resume(recipe: Recipe, kept: TrainingFolder, processes: Processes) -> tuple[int, float]:
    """Steps done and seconds they took."""
    saved = kept.read()
    done = saved["step"] if saved else 0
    processes.require_same(
        done, f"the processes see checkpoints of different steps in {kept.folder}; put it where all of them see it"
    )
    if saved:
        recipe.load_state(saved["state"])
    kept.drop_losses_after(done)
    return done, saved["seconds"] if saved else 0.0


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
