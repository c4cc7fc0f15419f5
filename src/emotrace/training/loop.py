"""One training loop for every model: exact resume, logged losses, progress with the time that is left.

Every random choice of a step is drawn from ``(seed, step)`` alone: a run that was interrupted and resumed from its last
checkpoint takes the same steps, bit for bit, as one that was not.
"""

import csv
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

CHECKPOINT = "checkpoint.pt"
LOSSES = "losses.csv"


@dataclass(frozen=True)
class LoopConfig:
    """How long and how often. ``steps`` counts optimiser updates, from the start of training and not of this call.

    ``precision`` is accelerate's: "no" (float32) or "bf16" (the forward passes in bfloat16).
    """

    steps: int
    seed: int = 0
    checkpoint_every: int = 100
    log_every: int = 10
    precision: str = "no"


class Recipe:
    """What the loop needs to know of a model: its parts, how a batch is drawn and how a step is taken.

    Subclasses fill ``modules``, ``optimisers`` and ``schedulers``, by name, and implement ``batch`` and ``update``.
    """

    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    schedulers: dict[str, Any]

    def batch(self, rng: np.random.Generator) -> Any:
        """Draw one batch; every random choice comes from ``rng``."""
        raise NotImplementedError

    def update(self, batch: Any, step: int, accelerator: Accelerator) -> dict[str, float]:
        """Take one optimiser step and return the losses to log."""
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
    """What a model card says of a training run: steps, seconds of computing and the last logged losses."""

    steps: int
    seconds: float
    losses: dict[str, float]


def fit(recipe: Recipe, config: LoopConfig, folder: Path, *, accelerator: Accelerator | None = None) -> TrainingRecord:
    """Train ``recipe`` for ``config.steps`` steps, resuming from ``folder`` where a checkpoint lies there.

    Args:
        recipe: the model and how it learns.
        config: steps, seed, how often to log and to save.
        folder: receives ``checkpoint.pt`` (atomic) and ``losses.csv``.
        accelerator: of an ``accelerate launch``; by default a local one.

    Raises:
        FloatingPointError: a loss is not finite; the last checkpoint stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    local = {"cpu": not torch.cuda.is_available(), "mixed_precision": config.precision}
    accelerator = accelerator or Accelerator(**local)
    _prepare(recipe, accelerator)
    done, seconds = _resume(recipe, folder)
    log = _LossLog(folder / LOSSES, keep_until=done)
    started = time.monotonic() - seconds
    with tqdm(total=config.steps, initial=done, desc=folder.name, unit="step", mininterval=5) as progress:
        for step in range(done, config.steps):
            losses = _one_step(recipe, config, step, accelerator)
            progress.update()
            if (step + 1) % config.log_every == 0 or step + 1 == config.steps:
                log.write(step + 1, losses)
                progress.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                _save(recipe, folder, step + 1, time.monotonic() - started)
    for module in recipe.modules.values():
        # accelerate's autocast is an attribute of the instance: without it the module computes in float32 again
        vars(accelerator.unwrap_model(module)).pop("forward", None)
    return TrainingRecord(config.steps, read_seconds(folder), log.last)


def _prepare(recipe: Recipe, accelerator: Accelerator) -> None:
    recipe.modules = {name: accelerator.prepare(module) for name, module in recipe.modules.items()}
    recipe.optimisers = {name: accelerator.prepare(optimiser) for name, optimiser in recipe.optimisers.items()}


def _one_step(recipe: Recipe, config: LoopConfig, step: int, accelerator: Accelerator) -> dict[str, float]:
    # dropout and the like draw from torch's generator: seeded by the step, it needs no saving
    torch.manual_seed(config.seed * 1_000_003 + step)
    rng = np.random.default_rng((config.seed, step, accelerator.process_index))
    losses = recipe.update(recipe.batch(rng), step, accelerator)
    wrong = [name for name, value in losses.items() if not np.isfinite(value)]
    if wrong:
        raise FloatingPointError(f"step {step + 1}: loss {', '.join(wrong)} is not finite; lower the learning rate")
    return losses


def _resume(recipe: Recipe, folder: Path) -> tuple[int, float]:
    path = folder / CHECKPOINT
    if not path.exists():
        return 0, 0.0
    saved = torch.load(path, map_location="cpu", weights_only=True)
    recipe.load_state(saved["state"])
    return saved["step"], saved["seconds"]


def read_seconds(folder: Path) -> float:
    """Seconds of computing that the checkpoint in ``folder`` has cost."""
    return float(json.loads((folder / "progress.json").read_text())["seconds"])


def _save(recipe: Recipe, folder: Path, step: int, seconds: float) -> None:
    temporary = folder / (CHECKPOINT + ".tmp")
    torch.save({"state": recipe.state(), "step": step, "seconds": seconds}, temporary)
    os.replace(temporary, folder / CHECKPOINT)
    (folder / "progress.json").write_text(json.dumps({"step": step, "seconds": round(seconds, 1)}))


class _LossLog:
    """CSV of losses, long form (step, loss, value); lines after the resumed step are dropped."""

    def __init__(self, path: Path, *, keep_until: int):
        self.path, self.last = path, {}
        rows = list(csv.reader(path.open()))[1:] if path.exists() else []
        kept = [row for row in rows if int(row[0]) <= keep_until]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("step", "loss", "value"), *kept])
        self.last = {name: float(value) for step, name, value in kept if kept and step == kept[-1][0]}

    def write(self, step: int, losses: dict[str, float]) -> None:
        self.last = dict(losses)
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerows((step, name, f"{value:.6g}") for name, value in losses.items())
