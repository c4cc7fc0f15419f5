"""HuBERT on stacked log-mel frames instead of convolutions over the waveform: what a small HuBERT can afford.

Source: Lin et al., "MelHuBERT: a simplified HuBERT on Mel spectrograms" (ASRU 2023). Everything behind the front-end is
transformers' HubertModel.

Axes: B batch, T samples at 16 kHz, L frames (50 per second).
"""

from functools import lru_cache

import librosa
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel

FRONT_END = "log-mel"
FRAME, HOP, WINDOW, N_FFT, BANDS = 400, 160, 800, 1024, 80
STACK = 2  # mel frames of 10 ms in one frame of HuBERT


class LogMelFrames(nn.Module):
    """Waveform (B, T) -> (B, 160, L): two log-mel frames of 80 bands side by side, each band standardised.

    L = (T - 400) // 320 + 1, HuBERT's own count. The windows of 50 ms, which show the harmonics of a voice, are centred
    on HuBERT's frames of 25 ms; what reaches beyond the waveform counts as silence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(BANDS))
        self.register_buffer("std", torch.ones(BANDS))

    def forward(self, waveform: Tensor) -> Tensor:
        """Raises ValueError for anything but (B, T) with T of at least 400 samples."""
        if waveform.ndim != 2 or waveform.shape[1] < FRAME:
            raise ValueError(f"expected waveforms (B, T) of at least {FRAME} samples, got {tuple(waveform.shape)}")
        frames = (waveform.shape[1] - FRAME) // (STACK * HOP) + 1
        with torch.autocast(waveform.device.type, enabled=False):
            mel = (log_mel(waveform)[:, : STACK * frames] - self.mean) / self.std
        return mel.reshape(len(waveform), frames, STACK * BANDS).transpose(1, 2)


class MelHubertModel(HubertModel):
    """A HubertModel whose feature extractor is `LogMelFrames`; configurations come from `mel_config`."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__(config)
        self.feature_extractor = LogMelFrames()


def mel_config(**options) -> HubertConfig:
    """A HubertConfig for `MelHubertModel`; the one "convolution" it states has the mel frames' window and hop.

    The projection behind the front-end gets no layer norm, which would take each frame's level away.
    """
    window = {"conv_dim": (STACK * BANDS,), "conv_kernel": (FRAME,), "conv_stride": (STACK * HOP,)}
    return HubertConfig(front_end=FRONT_END, feat_proj_layer_norm=False, **window, **options)


def model_class(config: HubertConfig) -> type[HubertModel]:
    """The class that a configuration describes. Raises ValueError for a front-end that does not exist."""
    front_end = getattr(config, "front_end", "waveform")
    classes = {"waveform": HubertModel, FRONT_END: MelHubertModel}
    if front_end not in classes:
        raise ValueError(f"HuBERT front_end {front_end!r}: one of {', '.join(classes)}")
    return classes[front_end]


def log_mel(waveform: Tensor) -> Tensor:
    """(B, T) -> (B, 2 + (T - 400) // 160, 80): natural log of Slaney mel power, the first window centred at 12.5 ms."""
    margin = (WINDOW - FRAME) // 2
    frames = F.pad(waveform, (margin, margin + HOP)).unfold(1, WINDOW, HOP) * torch.hann_window(
        WINDOW, device=waveform.device
    )
    power = torch.fft.rfft(frames, N_FFT).abs().square()
    return (power @ _filters().to(power)).clamp(min=1e-8).log()


@lru_cache(maxsize=1)
def _filters() -> Tensor:
    return torch.from_numpy(librosa.filters.mel(sr=16_000, n_fft=N_FFT, n_mels=BANDS)).T.contiguous()
