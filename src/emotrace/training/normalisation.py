"""Models normalised to their training data, channel by channel. Axes: C channels, D IR channels, L and M frames."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MIN_STD = 1e-3  # a constant channel (an unused soft unit, a padded band) must not be blown up


def normalise_to(model: nn.Module, **data: Iterable[Tensor]) -> None:
    """Set a model's buffers to the data's moments: ``ir`` (D, L) sets `ir_mean`, `ir_std`; ``mel`` (80, M) likewise.

    Raises ValueError as `channel_moments` does.
    """
    for name, arrays in data.items():
        mean, std = channel_moments(arrays)
        getattr(model, f"{name}_mean").copy_(mean)
        getattr(model, f"{name}_std").copy_(std)


def channel_moments(arrays: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, (C, 1) each, over the frames of all (C, L), summed up one by one in float64.

    Raises ValueError on NaN and when there is no array.
    """
    count, total, squares = 0, 0.0, 0.0
    for array in arrays:
        frames = torch.as_tensor(array, dtype=torch.float64)
        count += frames.shape[1]
        total = total + frames.sum(dim=1, keepdim=True)
        squares = squares + frames.square().sum(dim=1, keepdim=True)
    if count == 0:
        raise ValueError("no training utterance to normalise by")
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    if not torch.isfinite(mean + std).all():
        raise ValueError("the features of the training utterances have NaN or infinite values")
    return mean, std.clamp(min=MIN_STD)
