"""Several processes that train one model together, as `accelerate launch` and `torchrun` start them.

A step of N processes is the step of one, up to rounding: all draw the same batch, each learns from its Nth of it, and
the gradients are averaged before any clipping or optimiser sees them. They are averaged after the backward pass, by
one all-reduce, and not by a wrapper around every module (DDP): so it holds alike for parameters that are used outside
of a forward pass, for two optimisers that take turns (GAN), and for a module that a step leaves out. Batch
normalisation is the exception: each process normalises its own part.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, broadcast_object_list, find_batch_size, gather_object, slice_tensors
from torch import Tensor, nn

Value = TypeVar("Value")
PATIENCE = timedelta(days=1)  # extraction before a training may keep the others waiting for hours


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

    def mean(self, losses: dict[str, float]) -> dict[str, float]:
        """The losses of all processes, averaged by name."""
        values = torch.tensor(list(losses.values()), dtype=torch.float64, device=self.device)
        return dict(zip(losses, self.reduce(values, "mean").tolist(), strict=True))

    def require_same(self, value: Any, complaint: str) -> None:
        """Raise ValueError, in all processes, where they do not hold the same value."""
        values = gather_object([value])
        if len(set(values)) > 1:
            raise ValueError(f"{complaint}: {', '.join(map(str, values))}")

    def _average(self, tensors: Iterable[Tensor]) -> None:
        """In place; one message for all, which is much faster than one each."""
        tensors = list(tensors) if self.num_processes > 1 else []
        if not tensors:
            return
        flat = self.reduce(torch.cat([tensor.flatten() for tensor in tensors]), "mean")
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))
