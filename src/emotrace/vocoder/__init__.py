"""From the intermediate representation back to a waveform. Axes: B batch, D IR channels, L frames, T samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from emotrace.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from emotrace.weights import ModelFolder

VOCODERS = Registry(
    "vocoder",
    {
        "universal": "emotrace.vocoder.universal:Universal",
        "two-stage": "emotrace.vocoder.universal:TwoStage",
        "unified": "emotrace.vocoder.unified:Unified",
        "joint": "emotrace.vocoder.joint:Joint",
    },
)
"""Every `Vocoder` by name. Another one is a class, a line here and a row that names it."""


class Vocoder(Protocol):
    """Makes the waveform of an utterance from its IR."""

    @staticmethod
    def models(ir: str) -> tuple[str, ...]:
        """Names of the model folders for an IR by its name, e.g. "ECAPA-T6", or "none-T1-seed1"."""

    @staticmethod
    def files() -> tuple[Path, ...]:
        """Weights that lie elsewhere, as in an installed package."""

    @classmethod
    def load(cls, models: ModelFolder, ir: str, device: str = "cpu") -> Vocoder:
        """The vocoder of an IR. Raises ModelError where its weights are not there."""

    def __call__(self, ir: Tensor, n_samples: int) -> Tensor:
        """IR (D, L) -> waveform (n_samples,) at 16 kHz, float32, peak 0.95, on the CPU. Raises ValueError on NaN."""
