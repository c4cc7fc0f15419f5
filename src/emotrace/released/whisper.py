"""Whisper (Radford et al. 2023): speech recognition, and emotion recognition on its encoder.

The weights are Systran's conversion for CTranslate2, which faster-whisper runs; the encoder is read from the same file
into transformers' layers, which give out every hidden state. Whisper is trained with supervision, on 680,000 hours.
Axes: T samples at 16 kHz, L frames (50 per second), C channels (512 of base), F features, N utterances.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import gelu
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise
from emotrace.corpus.datadir import Emotion
from emotrace.evaluation.asr import Transcript, normalise_text
from emotrace.evaluation.ser import SerError
from emotrace.released.checkpoints import CHECKPOINTS
from emotrace.released.download import obtain
from emotrace.representation.hubert import HEAD_KEY
from emotrace.representation.ir import HOP
from emotrace.representation.soft import SoftHead
from emotrace.weights import CheckpointError, ModelFolder

MODEL = "model.bin"
# Frames of 10 ms. Whisper learned from windows of 30 s, filled up with silence. 10 s of silence after the speech do as
# well on training speech, in a third of the time: WER of tiny.en on 14 utterances of LibriSpeech readers and on 24 of
# RAVDESS actors 01-12 is 5.7 and 0.0 %; filled up to 30 s, 6.5 and 2.1 %; with 1 s of silence, 6.5 and 76 %.
SILENCE = 1000
TOKENS_A_SECOND = 10  # fast speech has about six words a second, of 1.3 tokens each
LAST = 6  # the number of the last layer of base's encoder
LOOP = 2.4  # compression ratio above which OpenAI's own decoder takes a text for a repetition
# Cross-validated on RAVDESS actors 01-12 alone, two of them left out at a time: UAR 0.62, 0.70, 0.75, 0.80, 0.78, 0.79,
# 0.77 for the hidden states 0 to 6 at this cost; 0.78 to 0.81 for costs from 0.001 to 0.1 at this state.
SER_LAYER, SER_COST = 3, 0.01


class WhisperTinyEn:
    """Whisper tiny.en by faster-whisper: weights as 8-bit integers, beam 5, no sampling; guarded against invented text.

    Whisper can invent or repeat text on short or noisy clips. So a text is cut at ten tokens for each second of
    speech, is dropped where Whisper finds no speech in it, and is decoded again without repeated triples of tokens
    where it compresses as only a repetition does.
    """

    checkpoint: ClassVar[str] = "whisper_tiny_en"

    def __init__(self, folder: Path):
        self._model = _short_windows()(str(folder), "cpu", compute_type="int8", cpu_threads=1)

    @classmethod
    def make(cls, device: str = "cpu") -> WhisperTinyEn:
        """It runs on the CPU, whatever the device. Raises CheckpointError where the weights cannot be had."""
        return cls(obtain(CHECKPOINTS.find(cls.checkpoint)))

    @classmethod
    def files(cls) -> tuple[Path, ...]:
        """Weights, tokens and configuration."""
        return tuple(sorted(path for path in obtain(CHECKPOINTS.find(cls.checkpoint)).iterdir() if path.is_file()))

    def transcribe(self, waveform: np.ndarray) -> Transcript:
        """The words of a waveform (T,) at 16 kHz, whatever its level. Raises AudioError on silence and NaN."""
        speech = level_normalise(waveform)
        limit = int(np.ceil(TOKENS_A_SECOND * len(speech) / SAMPLE_RATE)) + 5
        segments = self._segments(speech, limit)
        if not segments:
            return Transcript("", "silence")
        guard = "length" if sum(len(segment.tokens) for segment in segments) >= limit else ""
        if max(segment.compression_ratio for segment in segments) > LOOP:
            segments, guard = self._segments(speech, limit, no_repeat_ngram_size=3), "loop"
        return Transcript(normalise_text(" ".join(segment.text for segment in segments)), guard)

    def _segments(self, speech: np.ndarray, limit: int, **options: int) -> list:
        """What faster-whisper finds; segments that it takes for silence are not among them."""
        options |= {"beam_size": 5, "temperature": 0.0, "max_new_tokens": limit}
        segments, _ = self._model.transcribe(
            speech, language="en", condition_on_previous_text=False, without_timestamps=True, **options
        )
        return list(segments)


def _short_windows() -> type:
    """faster-whisper's model, with less silence after the speech of a window."""
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise CheckpointError("Whisper needs faster-whisper; install it: pip install faster-whisper") from error

    class ShortWindows(WhisperModel):
        """The same model; a window ends `SILENCE` frames after its last frame of audio."""

        def encode(self, features: np.ndarray) -> object:
            """Log-mel features (80, 3000), zeros after the audio -> the encoder's output."""
            spoken = int(np.flatnonzero(features.any(axis=0))[-1]) + 1
            window = features[:, : spoken + SILENCE].copy()
            window[:, spoken:] = features[:, :spoken].min()
            return super().encode(window)

    return ShortWindows


class WhisperBase(WhisperTinyEn):
    """Whisper base, in English: no fewer errors on the same training speech (5.8 and 0.0 %), in twice the time."""

    checkpoint: ClassVar[str] = "whisper_base"


class WhisperLogistic:
    """Logistic regression on mean and deviation over time of a hidden state of Whisper's encoder."""

    label: ClassVar[str] = "Whisper encoder + logistic regression"
    embedding: ClassVar[str] = ""

    def __init__(self, encoder: WhisperLayers, layer: int = SER_LAYER, cost: float = SER_COST):
        self._encoder, self._layer, self._cost = encoder, layer, cost
        self._classifier: Pipeline | None = None

    @classmethod
    def make(cls, device: str = "cpu") -> WhisperLogistic:
        """An encoder with its weights, a classifier without. Raises CheckpointError where they cannot be had."""
        return cls(load_layers(obtain(CHECKPOINTS.find("whisper_base")) / MODEL))

    @staticmethod
    def files() -> tuple[Path, ...]:
        """The file that the encoder is read from."""
        return (obtain(CHECKPOINTS.find("whisper_base")) / MODEL,)

    def features(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,) at 16 kHz -> (F = 1024,) float32, whatever its level. Raises AudioError on silence and NaN."""
        states = self._encoder(torch.from_numpy(level_normalise(waveform)), last=self._layer)[self._layer]
        return torch.cat([states.mean(0), states.std(0, correction=0)]).numpy()

    def fit(self, features: np.ndarray, emotions: Sequence[Emotion]) -> None:
        """Train afresh on features (N, F) and emotions (N,). Raises SerError on fewer than two emotions."""
        if len(set(emotions)) < 2:
            raise SerError(f"training needs two emotions or more, got {sorted(set(emotions))}")
        regression = LogisticRegression(C=self._cost, class_weight="balanced", max_iter=1000)
        self._classifier = make_pipeline(StandardScaler(), regression)
        self._classifier.fit(features, [str(emotion) for emotion in emotions])

    def predict(self, features: np.ndarray) -> list[Emotion]:
        """Features (N, F) -> emotions (N,). Raises SerError before `fit`."""
        if self._classifier is None:
            raise SerError("the recogniser has not been trained")
        return [Emotion(label) for label in self._classifier.predict(features)]


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


def read_ctranslate2(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays of a CTranslate2 file, version 6; floats as float32.

    Format: CTranslate2, python/ctranslate2/specs/model_spec.py, `ModelSpec._serialize`. Raises CheckpointError.
    """
    kinds = (np.float32, np.int8, np.int16, np.int32, np.float16)
    with path.open("rb") as file:
        try:
            if (version := _number(file, "I")) != 6:
                raise ValueError(f"version {version}, expected 6")
            _text(file), _number(file, "I")  # the specification's name and revision
            for _ in range(_number(file, "I")):
                name, shape = _text(file), [_number(file, "I") for _ in range(_number(file, "B"))]
                kind, size = kinds[_number(file, "B")], _number(file, "I")
                array = np.frombuffer(file.read(size), kind).reshape(shape)
                yield name, array.astype(np.float32) if array.dtype.kind == "f" else array.copy()
        except (struct.error, ValueError, IndexError) as error:
            raise CheckpointError(f"{path}: not a model of CTranslate2 ({error})") from error


def _number(file: BinaryIO, kind: str) -> int:
    return struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0]


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()
