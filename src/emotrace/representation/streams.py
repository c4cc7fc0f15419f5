"""A stream: what one model reads off a waveform. T samples at 16 kHz, L frames, C channels."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from emotrace.representation.spec import IRError
from emotrace.weights import ModelFolder

SAMPLE_RATE = 16_000
TOLERANCE = 2  # frames at 100 per second by which the streams may differ before something must be wrong


class Stream(Protocol):
    """A sequence of vectors, or one vector, that a model reads off an utterance.

    Attributes:
        models: names of the model folders that it is loaded from.
        dimension: C, the size of a vector.
        rate: frames per second; 0 where there is one vector for the utterance.

    A stream of released weights names their files, as recognisers do: ``files()``.
    """

    models: ClassVar[tuple[str, ...]]
    dimension: int
    rate: float

    @classmethod
    def load(cls, models: ModelFolder, layer: int | None = None, device: str = "cpu") -> "Stream":
        """The stream with the weights in ``models``. Raises ModelError where they are not there."""

    def __call__(self, waveform: Tensor) -> Tensor:
        """Waveform (T,) at 16 kHz, peak 0.95 -> (L, C), or (C,) where the rate is 0; on the CPU."""


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; the mode is restored, so that a training loop may embed between two steps."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


def align(stream: Tensor, frames: int) -> Tensor:
    """(C, L) -> (C, frames), cut or with its last frame repeated. Raises IRError beyond two frames of difference."""
    difference = frames - stream.shape[1]
    if abs(difference) > TOLERANCE:
        raise IRError(f"streams of {stream.shape[1]} and {frames} frames (100/s) are not of one utterance")
    if difference <= 0:
        return stream[:, :frames]
    return torch.cat([stream, stream[:, -1:].expand(-1, difference)], dim=1)
