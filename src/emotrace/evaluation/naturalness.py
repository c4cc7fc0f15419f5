"""Naturalness as a network predicts it. T samples at 16 kHz."""

from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from emotrace.corpus.audio import level_normalise

WINDOW = 122_880  # samples; Distill-MOS looks at 7.68 s at a time


class NaturalnessPredictor(Protocol):
    """Anything that gives an utterance a mean opinion score."""

    @classmethod
    def make(cls, device: str = "cpu") -> "NaturalnessPredictor":
        """The predictor with its weights."""

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The files of its weights; the results depend on them."""

    def score(self, waveform: np.ndarray) -> float:
        """Mean opinion score, 1 (bad) to 5 (excellent), of a waveform (T,) at 16 kHz."""


class DistilMos:
    """Distill-MOS (Stahl and Gamper 2025, Microsoft), weights in its wheel.

    It was distilled from a predictor on XLS-R, whose listeners rated telephone and enhanced speech. It takes an
    utterance for natural or distorted; it knows nothing of who speaks, or how.
    """

    def __init__(self) -> None:
        from distillmos import ConvTransformerSQAModel  # loads torchaudio and transformers

        with redirect_stdout(StringIO()):  # it prints where its weights lie
            self._model = ConvTransformerSQAModel(segmenting_in_forward=False).eval()

    @classmethod
    def make(cls, device: str = "cpu") -> "DistilMos":
        """It runs on the CPU, whatever the device."""
        return cls()

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The weights in the wheel."""
        return (Path(find_spec("distillmos").origin).with_name("weights") / "distill_mos_v7.pt",)

    @torch.inference_mode()
    def score(self, waveform: np.ndarray) -> float:
        """Mean opinion score, 1 to 5, of a waveform (T,), whatever its level: the mean over windows of 7.68 s.

        The windows cover the utterance evenly and overlap by less than one of them (the network's own loop takes one
        every second, which costs seven times as much); a shorter utterance is filled up with zeros, as the network
        learned it. Raises AudioError on silence and NaN.
        """
        speech = torch.from_numpy(level_normalise(waveform))
        speech = torch.nn.functional.pad(speech, (0, max(0, WINDOW - len(speech))))
        starts = np.linspace(0, len(speech) - WINDOW, -(-len(speech) // WINDOW)).astype(int)
        return float(self._model(torch.stack([speech[start : start + WINDOW] for start in starts])).mean())
