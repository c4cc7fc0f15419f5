"""Style embedding: global style tokens, in the form of STTTS (IMS-Toucan's style encoder).

Axes: B batch, T samples at 16 kHz, L mel frames (62.5 per second). Attribute names repeat IMS-Toucan's, so that its
released state dict (`style_emb_func`) loads strictly.
"""

from __future__ import annotations

import math
import random
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotrace.representation.mel import N_MELS, gst_log_mel
from emotrace.representation.streams import evaluating
from emotrace.weights import ModelFolder

WINDOW = 256
CONV_CHANNELS = (32, 32, 64, 64, 128, 128)


class StyleEmbedding:
    """The embedding of the style encoder as a stream: one vector (E,) for an utterance."""

    models: ClassVar[tuple[str, ...]] = ("gst",)
    rate = 0.0

    def __init__(self, encoder: GstEncoder, device: str = "cpu", seed: int = 0):
        self.encoder, self.device, self.seed = encoder.to(device), device, seed
        self.dimension = encoder.gst.stl.mha.linear_out.out_features

    @classmethod
    def load(cls, models: ModelFolder, layer: int | None = None, device: str = "cpu") -> StyleEmbedding:
        """Raises ModelError where the style encoder is not there."""
        return cls(load_gst(models), device)

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (E,). Raises ValueError for fewer than 513 samples."""
        return self.encoder.embed(waveform.to(self.device), seed=self.seed).cpu()


class GstEncoder(nn.Module):
    """Reference encoder and style token layer: (B, 256, 80) log10-mel -> (B, 128)."""

    def __init__(self, *, tokens: int = 10, heads: int = 4, dims: int = 128) -> None:
        super().__init__()
        self.gst = _StyleEncoder(tokens, heads, dims)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Style embedding with gradients: (B, L, 80) of `mel.gst_log_mel` -> (B, 128). L is 256 in the original.

        Raises ValueError for another shape.
        """
        if log_mel.ndim != 3 or log_mel.shape[2] != N_MELS:
            raise ValueError(f"GST takes log-mel (B, L, {N_MELS}), got shape {tuple(log_mel.shape)}")
        return self.gst.stl(self.gst.ref_enc(log_mel))

    def embed(self, waveform: Tensor, *, seed: int) -> Tensor:
        """Embedding of one utterance from a random window of 256 frames (4.1 s): (T,) -> (128,).

        The original draws the window anew at each call; here `seed` fixes it. A shorter utterance is repeated until
        it fills the window. Raises ValueError for fewer than 513 samples.
        """
        with evaluating(self):
            window = random_window(gst_log_mel(waveform[None])[0], random.Random(seed))
            return self(window[None])[0]


def load_gst(models: ModelFolder) -> GstEncoder:
    """The style encoder in the model folder "gst". Raises ModelError where it is not there."""
    return models.fill(GstEncoder(**models.config("gst")), "gst")


def random_window(log_mel: Tensor, rng: random.Random) -> Tensor:
    """(L, 80) -> (256, 80): a window drawn from `rng`, of the repeated spectrogram where it is shorter."""
    repeats = math.ceil(WINDOW / len(log_mel))
    log_mel = log_mel.repeat(repeats, 1)
    start = rng.randrange(len(log_mel) - WINDOW + 1)
    return log_mel[start : start + WINDOW]


class _StyleEncoder(nn.Module):
    """Holder of the two halves under IMS-Toucan's names."""

    def __init__(self, tokens: int, heads: int, dims: int) -> None:
        super().__init__()
        self.ref_enc = _ReferenceEncoder(dims)
        self.stl = _StyleTokens(tokens, heads, dims)


class _ReferenceEncoder(nn.Module):
    """Six stride-2 convolutions and the last state of a GRU: (B, L, 80) -> (B, dims)."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        bands, source = N_MELS, 1
        for target in CONV_CHANNELS:
            layers += [nn.Conv2d(source, target, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(target), nn.ReLU()]
            bands, source = (bands + 1) // 2, target
        self.convs = nn.Sequential(*layers)
        self.gru = nn.GRU(source * bands, dims, batch_first=True)

    def forward(self, log_mel: Tensor) -> Tensor:
        maps = self.convs(log_mel.unsqueeze(1)).transpose(1, 2)  # (B, L / 64, channels, bands)
        return self.gru(maps.flatten(2))[1][-1]


class _StyleTokens(nn.Module):
    """Attention of the reference over learned tokens: (B, dims) -> (B, dims)."""

    def __init__(self, tokens: int, heads: int, dims: int) -> None:
        super().__init__()
        self.gst_embs = nn.Parameter(torch.randn(tokens, dims // heads))
        self.mha = _Attention(heads, dims, dims // heads)

    def forward(self, reference: Tensor) -> Tensor:
        tokens = torch.tanh(self.gst_embs).expand(len(reference), -1, -1)
        return self.mha(reference.unsqueeze(1), tokens).squeeze(1)


class _Attention(nn.Module):
    """Multi-head attention whose keys and values are narrower than its queries."""

    def __init__(self, heads: int, dims: int, token_dims: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q = nn.Linear(dims, dims)
        self.linear_k = nn.Linear(token_dims, dims)
        self.linear_v = nn.Linear(token_dims, dims)
        self.linear_out = nn.Linear(dims, dims)

    def forward(self, query: Tensor, tokens: Tensor) -> Tensor:
        q, k, v = (
            self._split(self.linear_q(query)),
            self._split(self.linear_k(tokens)),
            self._split(self.linear_v(tokens)),
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.linear_out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)
