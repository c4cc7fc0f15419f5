"""Speaker embedding: ECAPA-TDNN. Axes: B batch, T samples at 16 kHz, L frames (100 per second), E embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from speechbrain.processing.features import InputNormalization
from torch import Tensor, nn

from emotrace.representation.streams import evaluating
from emotrace.weights import ModelFolder

N_MELS = 80
MINIMUM = 800  # 50 ms: the dilated convolutions reflect-pad, which fewer than six frames cannot bear
VOXCELEB_CHANNELS = (1024, 1024, 1024, 1024, 3072)


class EcapaEmbedding:
    """The embedding of ECAPA-TDNN as a stream: one vector (E,) for an utterance."""

    models: ClassVar[tuple[str, ...]] = ("ecapa",)
    rate = 0.0

    def __init__(self, ecapa: Ecapa, device: str = "cpu"):
        self.ecapa, self.device = ecapa.to(device), device
        self.dimension = ecapa.model.fc.conv.out_channels

    @classmethod
    def load(cls, models: ModelFolder, layer: int | None = None, device: str = "cpu") -> EcapaEmbedding:
        """Raises ModelError where the ECAPA-TDNN is not there."""
        return cls(load_ecapa(models), device)

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (E,). Raises ValueError for less than 50 ms."""
        return self.ecapa.embed(waveform.to(self.device)).cpu()


class Ecapa(nn.Module):
    """speechbrain's ECAPA-TDNN on an 80-band filter bank with its mean removed per sentence.

    `model` is the bare network: its state dict is that of speechbrain's released embedding_model.ckpt. `channels` has
    five numbers; small ones make a mini model.
    """

    def __init__(self, channels: Sequence[int] = VOXCELEB_CHANNELS, *, dims: int = 192, attention: int = 128) -> None:
        super().__init__()
        self.model = ECAPA_TDNN(
            N_MELS, lin_neurons=dims, channels=list(channels), attention_channels=attention, se_channels=attention
        )
        self.fbank = Fbank(n_mels=N_MELS)
        self.normalise = InputNormalization(norm_type="sentence", std_norm=False)

    def features(self, waveform: Tensor) -> Tensor:
        """The network's input: (B, T) -> (B, L, 80), dB, each band's mean over the sentence removed.

        Raises ValueError for a waveform that is not (B, T) or shorter than 800 samples (50 ms).
        """
        if waveform.ndim != 2 or waveform.shape[1] < MINIMUM:
            raise ValueError(f"ECAPA takes (B, T) with T of at least {MINIMUM}, got shape {tuple(waveform.shape)}")
        full = torch.ones(len(waveform), device=waveform.device)
        return self.normalise(self.fbank(waveform), full)

    def forward(self, waveform: Tensor) -> Tensor:
        """Embeddings of utterances of one length, with gradients: (B, T) -> (B, E)."""
        return self.model(self.features(waveform)).squeeze(1)

    def embed(self, waveform: Tensor) -> Tensor:
        """Embedding of one utterance, not normalised: (T,) -> (E,). Raises ValueError as `features` does."""
        with evaluating(self):
            return self(waveform[None])[0]


def load_ecapa(models: ModelFolder) -> Ecapa:
    """The ECAPA-TDNN in the model folder "ecapa". Raises ModelError where it is not there."""
    ecapa = Ecapa(**models.config("ecapa"))
    models.fill(ecapa.model, "ecapa")
    return ecapa.eval()
