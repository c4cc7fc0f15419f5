"""Mel spectrograms: the three definitions the study needs, each a fixed set of numbers.

Axes: B batch, T samples, L frames.
"""

from __future__ import annotations

from functools import lru_cache

import librosa
import torch
import torch.nn.functional as F
from torch import Tensor

N_FFT = 1024
HOP = 256
N_MELS = 80


def ssl_sas_mel(waveform: Tensor) -> Tensor:
    """Log-mel of SSL-SAS's reconstruction loss: (B, T) at 16 kHz -> (B, 80, T // 256), natural log.

    n_fft 1024, hop 256, 0-8000 Hz (study section 5). Raises ValueError for fewer than 385 samples or a wrong shape.
    """
    return _log_mel(waveform, sample_rate=16_000, f_max=8_000.0)


def hifigan_log_mel(waveform: Tensor) -> Tensor:
    """Log-mel of the official universal HiFi-GAN: (B, T) at 22.05 kHz -> (B, 80, T // 256), natural log.

    n_fft 1024, hop 256, 0-8000 Hz, clipped at 1e-5 (study section 9). Raises ValueError as `ssl_sas_mel` does.
    """
    return _log_mel(waveform, sample_rate=22_050, f_max=8_000.0)


def gst_log_mel(waveform: Tensor) -> Tensor:
    """Log-mel of the GST style encoder: (B, T) at 16 kHz -> (B, 1 + T // 256, 80), log10.

    Centred frames, 40-8000 Hz, clipped at 1e-10, as IMS-Toucan computes it. Raises ValueError for fewer than 513
    samples (half a window, which reflection needs) or a wrong shape.
    """
    _require_batch(waveform, minimum=N_FFT // 2 + 1)
    magnitude = _stft(waveform, center=True).abs()
    mel = _filters(16_000, 40.0, 8_000.0).to(magnitude) @ magnitude
    return mel.clamp(min=1e-10).log10().transpose(1, 2)


def _log_mel(waveform: Tensor, *, sample_rate: int, f_max: float) -> Tensor:
    """HiFi-GAN's definition: no centring, reflect padding of 384 samples, magnitude floored inside the root."""
    padding = (N_FFT - HOP) // 2
    _require_batch(waveform, minimum=padding + 1)
    spectrum = _stft(F.pad(waveform, (padding, padding), mode="reflect"), center=False)
    # The floor inside the root keeps the gradient of the mel loss finite for digital silence.
    magnitude = (torch.view_as_real(spectrum).square().sum(-1) + 1e-9).sqrt()
    return (_filters(sample_rate, 0.0, f_max).to(magnitude) @ magnitude).clamp(min=1e-5).log()


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
