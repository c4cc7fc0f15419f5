"""SSL-SAS's own way to the features of a training crop: every front-end hears the crop alone, at every step.

HuBERT, the speaker encoder and YAAPT make it many times slower than features that are cut from those of the whole
utterance, and not identical to them. Axes: D IR channels, L frames (100/s), T samples at 16 kHz.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emotrace.models import Models
from emotrace.representation.features import SOFT_LAYER, FrontEnds
from emotrace.representation.ir import HOP, IRSpec
from emotrace.training.crops import SEGMENT


@dataclass(frozen=True)
class CropFeatures:
    """The front-ends hear nothing but the crop. Waveforms (T,) each."""

    waveforms: Sequence[np.ndarray]
    front_ends: FrontEnds
    spec: IRSpec

    def __call__(self, utterance: int, first_frame: int) -> Tensor:
        """(D, 56), extracted."""
        return self.front_ends.of_crop(self.waveforms[utterance], first_frame * HOP, SEGMENT).ir(self.spec)


def crop_front_ends(models: Models, spec: IRSpec) -> FrontEnds:
    """The front-ends that an IR needs, and stand-ins for the rest: the original computes no more than it needs either.

    Raises:
        ModelError: one that is needed is not there.
    """
    if spec.linguistic == "log-mel":
        return FrontEnds(_Unused(), _Unused(), _Unused(), _Unused(), _Unused(), layers=())
    soft = spec.post == "soft"
    return FrontEnds(
        _Unused() if soft else models.hubert,
        models.soft_hubert if soft else _Unused(),
        models.soft_head if soft else _Unused(),
        models.ecapa if spec.speaker == "ecapa" else _Unused(),
        models.gst if spec.speaker == "gst" else _Unused(),
        layers=() if soft else (spec.layer,),
    )


class _Unused:
    """Stands for a front-end whose features are not read."""

    def layers(self, waveform: Tensor, *, last: int | None = None) -> dict[int, Tensor]:
        return {SOFT_LAYER: torch.empty(0)}

    def embed(self, waveform: Tensor, *, seed: int = 0) -> Tensor:
        return torch.empty(0)

    def __call__(self, features: Tensor) -> Tensor:
        return features
