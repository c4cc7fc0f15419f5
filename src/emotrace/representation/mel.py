"""Mel spectrograms: the three definitions the study needs, each a fixed set of numbers, and the streams made of them.

Axes: B batch, T samples, L frames, M frames of the universal HiFi-GAN.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import ClassVar

import librosa
import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor

from emotrace.corpus.audio import peak_normalise
from emotrace.representation.streams import SAMPLE_RATE, align
from emotrace.weights import ModelFolder

N_FFT = 1024
HOP = 256
N_MELS = 80
MEL_AUDIO_RATE = 22_050  # Hz, of the universal HiFi-GAN
FRAME_RATE, FRAME = 100, 160  # of an IR: frames per second, samples at 16 kHz
FILTER_WIDTH = 32  # zero crossings of the resampling filter; torchaudio's default of 6 leaks above 7 kHz


class LogMel:
    """The log-mel of the universal HiFi-GAN at the frames of an IR, (L, 80) at 100 per second."""

    models: ClassVar[tuple[str, ...]] = ()
    dimension, rate = N_MELS, float(FRAME_RATE)

    @classmethod
    def load(cls, models: ModelFolder | None = None, layer: int | None = None, device: str = "cpu") -> LogMel:
        """A spectrogram has no weights."""
        return cls()

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (L, 80), natural logarithm."""
        return log_mel_frames(waveform).T


class UniversalMel(LogMel):
    """The log-mel of the universal HiFi-GAN at its own frames, (M, 80): what it was trained to invert."""

    rate = MEL_AUDIO_RATE / HOP

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (M, 80), natural logarithm."""
        return universal_mel(torch.from_numpy(peak_normalise(waveform.numpy()))).T


class AcousticPrompt(LogMel):
    """An acoustic prompt (160,): mean and standard deviation over time of the log-mel's bands."""

    dimension, rate = 2 * N_MELS, 0.0

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (160,)."""
        return prompt_of(log_mel_frames(waveform))


def prompt_of(log_mel: Tensor) -> Tensor:
    """Log-mel (80, L) -> (160,): mean and standard deviation over time of its bands."""
    return torch.cat([log_mel.mean(1), log_mel.std(1, correction=0)])


def log_mel_frames(waveform: Tensor) -> Tensor:
    """(T,) at 16 kHz -> (80, ceil(T / 160)), the universal HiFi-GAN's log-mel at 100 frames/s.

    Resampled to 22.05 kHz; the frames (86.1 per second) are interpolated linearly in time.
    """
    wide = torchaudio.functional.resample(
        waveform[None], SAMPLE_RATE, MEL_AUDIO_RATE, lowpass_filter_width=FILTER_WIDTH
    )
    log_mel = hifigan_log_mel(F.pad(wide, (0, -wide.shape[1] % HOP)))
    # a given factor keeps the frames' true times; a given size would stretch them by the rounding of both lengths
    factor = FRAME_RATE * HOP / MEL_AUDIO_RATE
    by_ten_ms = F.interpolate(log_mel, scale_factor=factor, mode="linear", recompute_scale_factor=False)
    return align(by_ten_ms[0], -(-len(waveform) // FRAME))


def universal_mel(waveform: Tensor) -> Tensor:
    """16 kHz (T,) -> natural log-mel (80, M), the target of the acoustic models; M covers every sample.

    Raises ValueError for another shape, no samples, and NaN.
    """
    audio = torchaudio.functional.resample(
        checked(waveform), SAMPLE_RATE, MEL_AUDIO_RATE, lowpass_filter_width=FILTER_WIDTH
    )
    whole = mel_frames(len(waveform)) * HOP
    return hifigan_log_mel(F.pad(audio, (0, whole - len(audio)))[None])[0]


def mel_frames(n_samples: int) -> int:
    """Number of mel frames that cover n_samples at 16 kHz."""
    return ceil(ceil(n_samples * MEL_AUDIO_RATE / SAMPLE_RATE) / HOP)


def checked(waveform: Tensor) -> Tensor:
    """The waveform (T,). Raises ValueError for another shape, no samples, and NaN."""
    if waveform.ndim != 1 or len(waveform) == 0:
        raise ValueError(f"expected a waveform (T,), got {tuple(waveform.shape)}")
    if not torch.isfinite(waveform).all():
        raise ValueError("the waveform has NaN or infinite samples")
    return waveform


def ssl_sas_mel(waveform: Tensor) -> Tensor:
    """Log-mel of SSL-SAS's reconstruction loss: (B, T) at 16 kHz -> (B, 80, T // 256), natural log.

    n_fft 1024, hop 256, 0-8000 Hz. Raises ValueError for fewer than 385 samples or a wrong shape.
    """
    return _log_mel(waveform, 16_000)


def hifigan_log_mel(waveform: Tensor) -> Tensor:
    """Log-mel of the universal HiFi-GAN: (B, T) at 22.05 kHz -> (B, 80, T // 256), natural log.

    n_fft 1024, hop 256, 0-8000 Hz, clipped at 1e-5. Raises ValueError as `ssl_sas_mel` does.
    """
    return _log_mel(waveform, 22_050)


def gst_log_mel(waveform: Tensor) -> Tensor:
    """Log-mel of the GST style encoder: (B, T) at 16 kHz -> (B, 1 + T // 256, 80), log10.

    Centred frames, 40-8000 Hz, clipped at 1e-10, as IMS-Toucan computes it. Raises ValueError for fewer than 513
    samples (half a window, which reflection needs) or a wrong shape.
    """
    _require_batch(waveform, minimum=N_FFT // 2 + 1)
    magnitude = _stft(waveform, center=True).abs()
    mel = _filters(16_000, 40.0, 8_000.0).to(magnitude) @ magnitude
    return mel.clamp(min=1e-10).log10().transpose(1, 2)


def _log_mel(waveform: Tensor, sample_rate: int) -> Tensor:
    """HiFi-GAN's definition: no centring, reflect padding of 384 samples, magnitude floored inside the root."""
    padding = (N_FFT - HOP) // 2
    _require_batch(waveform, minimum=padding + 1)
    spectrum = _stft(F.pad(waveform, (padding, padding), mode="reflect"), center=False)
    # The floor inside the root keeps the gradient of the mel loss finite for digital silence.
    magnitude = (torch.view_as_real(spectrum).square().sum(-1) + 1e-9).sqrt()
    return (_filters(sample_rate, 0.0, 8_000.0).to(magnitude) @ magnitude).clamp(min=1e-5).log()


def _stft(waveform: Tensor, *, center: bool) -> Tensor:
    window = torch.hann_window(N_FFT, device=waveform.device, dtype=waveform.dtype)
    return torch.stft(waveform, N_FFT, HOP, N_FFT, window, center=center, pad_mode="reflect", return_complex=True)


@lru_cache(maxsize=8)
def _filters(sample_rate: int, f_min: float, f_max: float) -> Tensor:
    """Slaney mel filters (80, 513), the default of librosa and of both original implementations."""
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=N_FFT, n_mels=N_MELS, fmin=f_min, fmax=f_max))


def _require_batch(waveform: Tensor, *, minimum: int) -> None:
    if waveform.ndim != 2:
        raise ValueError(f"a mel spectrogram takes a waveform (B, T), got shape {tuple(waveform.shape)}")
    if waveform.shape[1] < minimum:
        raise ValueError(f"a mel spectrogram needs at least {minimum} samples, got {waveform.shape[1]}")
