"""Where the IR of a training crop of 0.56 s comes from; the default is to cut it from the whole utterance's.

The other way, SSL-SAS's own, is in `crop_features`. The two are not identical. Axes: D IR channels, L frames (100/s).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from emotrace.representation.ir import HOP

SEGMENT = 8_960  # samples: 0.56 s, 56 frames
FRAMES = SEGMENT // HOP


class CropSource(Protocol):
    """Where the IR of a crop comes from."""

    def __call__(self, utterance: int, first_frame: int) -> Tensor:
        """IR (D, 56) of the crop that begins at `first_frame` of the utterance with this index."""


@dataclass(frozen=True)
class UtteranceFeatures:
    """The default: crops of whole-utterance IRs, (D, L) each."""

    irs: Sequence[Tensor]

    def __call__(self, utterance: int, first_frame: int) -> Tensor:
        """(D, 56), cut; an IR that ends a frame early has its last frame repeated."""
        crop = self.irs[utterance][:, first_frame : first_frame + FRAMES]
        return torch.cat([crop, crop[:, -1:].expand(-1, FRAMES - crop.shape[1])], dim=1)
