"""The encoder of Whisper (Radford et al. 2023) as a representation: its layers, and soft units of the last.

It is read from the file of faster-whisper's weights into transformers' layers, which give out every hidden state.
Whisper is trained with supervision, on 680,000 hours. Axes: T samples at 16 kHz, L frames (50 per second), C channels
(512 of base), U soft units.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import gelu
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emotrace.corpus.audio import SAMPLE_RATE
from emotrace.released.ctranslate2 import read_ctranslate2
from emotrace.released.whisper import WhisperLogistic
from emotrace.representation.hubert import HEAD_KEY
from emotrace.representation.ir import HOP
from emotrace.representation.soft import SoftHead
from emotrace.weights import ModelFolder

LAST = 6  # the number of the last layer of base's encoder


class WhisperLayer:
    """W_n as a stream (L, C) at 50 frames per second: a layer of Whisper base's encoder, which is supervised.

    W0 is the input of the first transformer layer (position embedding added), W_n the output of layer n, the last one
    behind the encoder's final norm. The recording is not filled up to 30 s.
    """

    models: ClassVar[tuple[str, ...]] = ()
    rate = 50.0

    def __init__(self, encoder: WhisperLayers, layer: int):
        self._encoder, self._layer, self.dimension = encoder, layer, encoder.encoder.config.d_model

    @classmethod
    def load(cls, models: ModelFolder, layer: int | None = None, device: str = "cpu") -> WhisperLayer:
        """On the CPU, whatever the device. Raises CheckpointError where the weights cannot be had, IndexError where
        there is no such layer."""
        encoder = load_layers(cls.files()[0])
        if layer is None or not 0 <= layer <= len(encoder.encoder.layers):
            raise IndexError(f"W{layer} of a Whisper with {len(encoder.encoder.layers)} layers")
        return cls(encoder, layer)

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The file that the encoder is read from."""
        return WhisperLogistic.files()

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (L, C), L = T // 320. Raises ValueError for less than 20 ms and for more than 30 s."""
        return self.layers(waveform)[self._layer].clone()

    def layers(self, waveform: Tensor) -> list[Tensor]:
        """(T,) -> W0 to W_n, each (L, C). Raises ValueError as `__call__`."""
        frames = len(waveform) // (2 * HOP)
        if not 0 < frames <= self._encoder.encoder.config.max_source_positions:
            raise ValueError(f"Whisper takes 20 ms to 30 s, got {len(waveform) / SAMPLE_RATE:.2f} s")
        return [states[:frames] for states in self._encoder(waveform, last=self._layer)]


class WhisperSoft:
    """Soft units of Whisper's last layer as a stream (L, U): SSL-SAS's form on an encoder that stays as it is."""

    models: ClassVar[tuple[str, ...]] = ("soft-whisper",)
    rate = 50.0

    def __init__(self, layer: WhisperLayer, head: SoftHead):
        self._layer, self._head, self.dimension = layer, head, head.W.shape[0]

    @classmethod
    def load(cls, models: ModelFolder, layer: int | None = None, device: str = "cpu") -> WhisperSoft:
        """Raises ModelError where the matrix is not there, CheckpointError where Whisper is not."""
        weight = models.tensors("soft-whisper")[HEAD_KEY]
        head = models.fill(SoftHead(weight.shape[1], weight.shape[0]), "soft-whisper", {"W": weight})
        return cls(WhisperLayer.load(models, LAST, device), head)

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The file that the encoder is read from."""
        return WhisperLogistic.files()

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (L, U). Raises ValueError as `WhisperLayer`."""
        with torch.no_grad():
            return self._head(self._layer(waveform))


class WhisperLayers:
    """Whisper's encoder for an utterance of any length: no padding to 30 s, the first positions only."""

    def __init__(self, encoder: WhisperEncoder):
        self.encoder = encoder.eval()
        self._mel = WhisperFeatureExtractor(encoder.config.num_mel_bins)

    @torch.inference_mode()
    def __call__(self, waveform: Tensor, *, last: int | None = None) -> list[Tensor]:
        """Waveform (T,) -> hidden states [0..last], each (L, C); the last of all is after the final norm."""
        mel = self._mel(waveform.numpy(), sampling_rate=SAMPLE_RATE, padding=False, return_tensors="pt").input_features
        hidden = gelu(self.encoder.conv2(gelu(self.encoder.conv1(mel)))).transpose(1, 2)
        states = [hidden + self.encoder.embed_positions.weight[: hidden.shape[1]]]
        for layer in self.encoder.layers[:last]:
            output = layer(states[-1], None)
            states.append(output[0] if isinstance(output, tuple) else output)
        if len(states) == len(self.encoder.layers) + 1:
            states[-1] = self.encoder.layer_norm(states[-1])
        return [state[0] for state in states]


@lru_cache(maxsize=1)
def load_layers(path: Path) -> WhisperLayers:
    """The encoder in a CTranslate2 file, float32. Raises CheckpointError for another file."""
    tensors = {name: torch.from_numpy(array) for name, array in read_ctranslate2(path)}
    count = len({name.split("/")[1] for name in tensors if name.startswith("encoder/layer_") and "ffn" in name})
    channels, bands, _ = tensors["encoder/conv1/weight"].shape
    wide = len(tensors["encoder/layer_0/ffn/linear_0/bias"])
    sizes = {"d_model": channels, "num_mel_bins": bands, "encoder_layers": count, "encoder_ffn_dim": wide}
    encoder = WhisperEncoder(WhisperConfig(encoder_attention_heads=int(tensors["encoder/num_heads"]), **sizes))
    encoder.load_state_dict(dict(_transformers_state(tensors, count)))
    return WhisperLayers(encoder)


def _transformers_state(tensors: dict[str, Tensor], layers: int) -> Iterator[tuple[str, Tensor]]:
    """Weights of the encoder by transformers' names; CTranslate2 stacks queries, keys and values, scale included."""
    for ours, theirs in (("conv1", "conv1"), ("conv2", "conv2")):
        for kind in ("weight", "bias"):
            yield f"{ours}.{kind}", tensors[f"encoder/{theirs}/{kind}"]
    yield "embed_positions.weight", tensors["encoder/position_encodings/encodings"]
    yield from _norm("layer_norm", tensors, "encoder/layer_norm")
    for n in range(layers):
        ours, theirs = f"layers.{n}", f"encoder/layer_{n}"
        yield from _norm(f"{ours}.self_attn_layer_norm", tensors, f"{theirs}/self_attention/layer_norm")
        yield from _norm(f"{ours}.final_layer_norm", tensors, f"{theirs}/ffn/layer_norm")
        for kind in ("weight", "bias"):
            stacked = tensors[f"{theirs}/self_attention/linear_0/{kind}"].chunk(3)
            for name, part in zip("qkv", stacked, strict=True):
                if (name, kind) != ("k", "bias"):  # Whisper's keys have no bias
                    yield f"{ours}.self_attn.{name}_proj.{kind}", part
            yield f"{ours}.self_attn.out_proj.{kind}", tensors[f"{theirs}/self_attention/linear_1/{kind}"]
            yield f"{ours}.fc1.{kind}", tensors[f"{theirs}/ffn/linear_0/{kind}"]
            yield f"{ours}.fc2.{kind}", tensors[f"{theirs}/ffn/linear_1/{kind}"]


def _norm(name: str, tensors: dict[str, Tensor], place: str) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", tensors[f"{place}/gamma"]
    yield f"{name}.bias", tensors[f"{place}/beta"]
