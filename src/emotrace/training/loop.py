"""One training loop for every model: exact resume, logged losses, progress with the time that is left.

Every random choice of a step is drawn from ``(seed, step)`` alone: a run that was interrupted and resumed from its last
checkpoint takes the same steps, bit for bit, as one that was not.

Several processes, as `accelerate launch` and `torchrun` start them, train one model together. A step of N is the step
of one, up to rounding: all draw the same batch, each learns from its Nth of it, and the gradients are averaged before
any clipping or optimiser sees them. They are averaged after the backward pass, by one all-reduce, and not by a wrapper
around every module (DDP): so it holds alike for parameters that are used outside of a forward pass, for two optimisers
that take turns (GAN), and for a module that a step leaves out. Batch normalisation is the exception: each process
normalises its own part. B is the batch.
"""

import csv
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import (
    broadcast,
    broadcast_object_list,
    find_batch_size,
    gather_object,
    send_to_device,
    slice_tensors,
)
from torch import Tensor, nn
from tqdm import tqdm

from emotrace.corpus.files import atomic_file

CHECKPOINT, LOSSES = "checkpoint.pt", "losses.csv"
CURVE_POINTS = 40
PARTS = ("modules", "optimisers", "schedulers")
Value = TypeVar("Value")
PATIENCE = timedelta(days=1)  # extraction before a training may keep the others waiting for hours
Rate = Callable[[int], float]  # step -> multiple of the learning rate


def state() -> PartialState:
    """Which process this is, of how many; the first call joins the others."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def from_main(make: Callable[[], Value]) -> Value:
    """What `make` returns in the main process, for all: clusters must not differ by a rounding. Must be picklable."""
    return broadcast_object_list([make() if state().is_main_process else None])[0]


def own_slice(size: int, index: int, count: int) -> slice:
    """Which of ``size`` examples process ``index`` of ``count`` learns from.

    Raises:
        ValueError: the processes cannot share them evenly.
    """
    if size % count:
        raise ValueError(f"a batch of {size} cannot be shared evenly by {count} processes; start another number")
    return slice(index * size // count, (index + 1) * size // count)


def own_part(batch: Any, index: int, count: int) -> Any:
    """The part of a batch, tensors (B, ...) in dictionaries or tuples, that process ``index`` of ``count`` gets."""
    return batch if count == 1 else slice_tensors(batch, own_slice(find_batch_size(batch), index, count))


class Processes(Accelerator):
    """accelerate's `Accelerator` for the modules of one recipe; made in one place, `loop.fit`.

    Args:
        precision: "no" (float32) or "bf16".
    """

    def __init__(self, precision: str = "no"):
        state()
        if AcceleratorState._shared_state and AcceleratorState().mixed_precision != precision:
            AcceleratorState._reset_state()  # accelerate allows a process one precision, here each training has its own
        super().__init__(cpu=not torch.cuda.is_available(), mixed_precision=precision)
        self._modules: list[nn.Module] = []

    def share(self, module: nn.Module) -> nn.Module:
        """The module on this process's device and in its precision, with the main process's weights."""
        module = self.prepare_model(module, evaluation_mode=True)  # evaluation mode: without accelerate's DDP
        self._modules.append(module)
        with torch.no_grad():
            broadcast([*module.parameters(), *module.buffers()])  # in place
        return module

    def backward(self, loss: Tensor, **options: Any) -> None:
        """Gradients of the loss, averaged over the processes."""
        super().backward(loss, **options)
        parameters = (parameter for module in self._modules for parameter in module.parameters())
        self._average(parameter.grad for parameter in parameters if parameter.grad is not None)

    def average_statistics(self) -> None:
        """Running statistics of batch normalisation, averaged over the processes."""
        parts = (part for module in self._modules for part in module.modules())
        norms = [part for part in parts if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        tracking = [norm for norm in norms if norm.running_mean is not None]
        self._average(statistic for norm in tracking for statistic in (norm.running_mean, norm.running_var))

    def _average(self, tensors: Iterable[Tensor]) -> None:
        """In place; one message for all, which is much faster than one each."""
        tensors = list(tensors) if self.num_processes > 1 else []
        if not tensors:
            return
        flat = self.reduce(torch.cat([tensor.flatten() for tensor in tensors]), "mean")
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


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

    Subclasses implement ``batch`` and ``update``. ``modules``, the trained networks by name, are put in training mode.
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
        return {kind: {name: part.state_dict() for name, part in getattr(self, kind).items()} for kind in PARTS}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        for kind in PARTS:
            for name, part in getattr(self, kind).items():
                part.load_state_dict(state[kind][name])


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
    writes = processes.is_main_process
    recipe.modules = {name: processes.share(module) for name, module in recipe.modules.items()}
    recipe.optimisers = {name: processes.prepare(optimiser) for name, optimiser in recipe.optimisers.items()}
    done, seconds, losses = _resume(recipe, folder, processes)
    started = time.monotonic() - seconds
    bar = {"desc": folder.name, "unit": "step", "mininterval": 5, "disable": not writes}
    with tqdm(total=config.steps, initial=done, **bar) as progress:
        for step in range(done + 1, config.steps + 1):
            losses = _one_step(recipe, config, step - 1, processes)
            seconds = time.monotonic() - started
            progress.update()
            if step % config.log_every == 0 or step == config.steps:
                progress.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
                if writes:
                    _log(folder, step, losses)
            if snapshot is not None and step in config.snapshots:
                snapshot(TrainingRecord(step, seconds, losses, loss_curves(folder)))
            if writes and (step % config.checkpoint_every == 0 or step == config.steps):
                with atomic_file(folder / CHECKPOINT) as temporary:
                    torch.save({"state": recipe.state(), "step": step, "seconds": seconds}, temporary)
    processes.wait_for_everyone()
    for module in recipe.modules.values():
        vars(module).pop("forward", None)  # accelerate's autocast is an attribute of the instance
        module.cpu()
    return TrainingRecord(config.steps, round(seconds, 1), losses, loss_curves(folder))


def _resume(recipe: Recipe, folder: Path, processes: Processes) -> tuple[int, float, dict[str, float]]:
    """Take over the checkpoint: steps done, seconds they took, losses logged last; later lines are dropped."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = {"step": 0, "seconds": 0.0}
    if (folder / CHECKPOINT).exists():
        saved = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)
    step = saved["step"]
    if len(seen := set(gather_object([step]))) > 1:
        steps = ", ".join(map(str, seen))
        raise ValueError(f"the processes see checkpoints of steps {steps} in {folder}; put it where all of them see it")
    if step:
        recipe.load_state(saved["state"])
    rows = [row for row in _logged(folder) if int(row[0]) <= step]
    if processes.is_main_process:
        with atomic_file(folder / LOSSES) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file).writerows([("step", "loss", "value"), *rows])
    return step, saved["seconds"], {name: float(value) for at, name, value in rows if at == rows[-1][0]}


def _one_step(recipe: Recipe, config: LoopConfig, step: int, processes: Processes) -> dict[str, float]:
    index, count = processes.process_index, processes.num_processes
    # dropout and the like draw from torch's generator: seeded by step and process, it needs no saving
    torch.manual_seed(config.seed * 1_000_003 + step + index * 500_000_009)  # of which the CPU takes 32 bits
    part = recipe.part(np.random.default_rng((config.seed, step, 0)), index, count)
    losses = recipe.update(send_to_device(part, processes.device), step, processes)
    values = torch.tensor(list(losses.values()), dtype=torch.float64, device=processes.device)
    losses = dict(zip(losses, processes.reduce(values, "mean").tolist(), strict=True))
    processes.average_statistics()
    if wrong := [name for name, value in losses.items() if not np.isfinite(value)]:
        raise FloatingPointError(f"step {step + 1}: loss {', '.join(wrong)} is not finite; lower the learning rate")
    return losses


def _log(folder: Path, step: int, losses: dict[str, float]) -> None:
    """Append to losses.csv, long form (step, loss, value)."""
    with (folder / LOSSES).open("a", newline="") as file:
        csv.writer(file).writerows((step, name, f"{value:.6g}") for name, value in losses.items())


def _logged(folder: Path) -> list[list[str]]:
    """The lines (step, loss, value) of losses.csv."""
    path = folder / LOSSES
    return list(csv.reader(path.read_text().splitlines()))[1:] if path.exists() else []


def loss_curves(folder: Path, points: int = CURVE_POINTS) -> dict[str, list[tuple[int, float]]]:
    """The logged losses by name, as at most ``points`` pairs: last step of a stretch and the mean over it."""
    logged: dict[str, list[tuple[int, float]]] = {}
    for step, name, value in _logged(folder):
        logged.setdefault(name, []).append((int(step), float(value)))
    curves = {}
    for name, pairs in logged.items():
        length = -(-len(pairs) // points)
        stretches = [pairs[start : start + length] for start in range(0, len(pairs), length)]
        curves[name] = [(part[-1][0], round(fmean(value for _, value in part), 5)) for part in stretches]
    return curves
