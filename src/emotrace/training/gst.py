"""Global style tokens, learned generatively: what a decoder needs beside soft units and F0 to draw the log-mel.

Source: Wang et al., "Style tokens" (ICML 2018), the encoder as in STTTS. Encoder and decoder learn together; afterwards
only the encoder is kept.
"""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emotrace.representation.gst import GstEncoder, random_window
from emotrace.training.acoustic import AcousticTraining


class StyleTraining(AcousticTraining):
    """Learn an encoder from style mels (L, 80) of the same utterance, through IRs (D, L) that carry no speaker."""

    def __init__(
        self,
        encoder: GstEncoder,
        irs: Sequence[Tensor],
        mels: Sequence[Tensor],
        style_mels: Sequence[Tensor],
        *,
        steps: int,
        **options: float,
    ):
        super().__init__(irs, mels, steps=steps, style=encoder, **options)
        self.style_mels = style_mels

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        chosen = self.draw(rng)
        windows = random.Random(int(rng.integers(2**31)))
        styles = torch.stack([random_window(self.style_mels[i], windows) for i in chosen])
        return self.crops(chosen, rng) | {"style": styles}

    def complete_ir(self, batch: dict[str, Tensor]) -> Tensor:
        style = self.modules["style"](batch["style"])
        return torch.cat([batch["ir"], style[:, :, None].expand(-1, -1, batch["ir"].shape[2])], dim=1)
