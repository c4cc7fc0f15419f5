"""VoicePrivacy 2024's recognisers: of speakers, words and emotions.

Built from the numbers in their folders; of the code in them (custom_interface.py, the classes that a hyperparams.yaml
names) nothing is run. T samples at 16 kHz, E embedding dimensions, L frames (50/s), C channels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from speechbrain.decoders.ctc import filter_ctc_output
from speechbrain.lobes.models.VanillaNN import VanillaNN
from speechbrain.nnet.linear import Linear
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers import Wav2Vec2Config, Wav2Vec2Model

from emotrace.corpus.audio import peak_normalise
from emotrace.corpus.datadir import Emotion
from emotrace.evaluation.asr import Transcript, normalise_text
from emotrace.released.checkpoints import CHECKPOINTS
from emotrace.released.files import Hyperparams, Tagged, fill, read_labels, read_state, shape
from emotrace.released.loaders import ecapa_voxceleb, modern_names, transformer_config
from emotrace.weights import CheckpointError

HYPERPARAMS = "hyperparams.yaml"
MINIMUM = 400  # samples in the receptive field of wav2vec 2.0's first frame
WAV2VEC2 = r"speechbrain\.(lobes\.models|integrations)\.hugging\w+(\.wav2vec2)?\.(HuggingFace)?Wav2Vec2"
ECAPA = r"speechbrain\.lobes\.models\.ECAPA_TDNN\.ECAPA_TDNN"
# what speechbrain's class takes by default and no shape of a weight tells
ECAPA_KERNELS, ECAPA_DILATIONS = [5, 3, 3, 3, 1], [1, 2, 3, 4, 1]
ACTIVATIONS = {"torch.nn.LeakyReLU": nn.LeakyReLU, "torch.nn.ReLU": nn.ReLU, "torch.nn.GELU": nn.GELU}


class _Recogniser:
    """A recogniser made of the folder of a released checkpoint, whose files lie in it or below it.

    Raises CheckpointError when a file is missing, damaged or of another model.
    """

    checkpoint: ClassVar[str]

    @classmethod
    def make(cls, device: str = "cpu") -> Self:
        """From the checkpoint folder. Raises MissingCheckpointError where it is not there."""
        return cls(CHECKPOINTS.find(cls.checkpoint).path(), device)

    @classmethod
    def files(cls) -> tuple[Path, ...]:
        """Every file of the checkpoint, sorted. Raises MissingCheckpointError where it is not there."""
        folder = CHECKPOINTS.find(cls.checkpoint).path()
        return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


class VpcAsv(_Recogniser):
    """Speaker verification's encoder, an ECAPA-TDNN; an `evaluation.asv.SpeakerEncoder`.

    Of embedding_model.ckpt and hyperparams.yaml.
    """

    checkpoint = "vpc_asv_orig"

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        path = _checkpoint(folder, "embedding_model.ckpt")
        options = Hyperparams.read(_beside(path, HYPERPARAMS, folder)).arguments("embedding_model", of=ECAPA)
        kernels, dilations = options.get("kernel_sizes", ECAPA_KERNELS), options.get("dilations", ECAPA_DILATIONS)
        if (kernels, dilations) != (ECAPA_KERNELS, ECAPA_DILATIONS):
            raise CheckpointError(f"{folder}: an ECAPA-TDNN with kernels {kernels} and dilations {dilations}")
        self._ecapa, self._device = ecapa_voxceleb(path).to(device), device

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        """Waveform (T,), at least 50 ms -> (E,) float32, not normalised.

        As the challenge does: peak-normalised to 1 (its loudness normalisation before that cancels out), zeros at both
        ends cut. Raises AudioError on silence and NaN, ValueError when less than 50 ms is left.
        """
        trimmed = np.trim_zeros(peak_normalise(waveform, 1.0))
        return self._ecapa.embed(torch.from_numpy(trimmed).to(self._device)).cpu().numpy()


class Wav2Vec2Encoder:
    """wav2vec 2.0 as speechbrain's recipes use it: standardised waveform, and where the recipe says so, output.

    Both are per utterance, as speechbrain does it for a batch of one. VoicePrivacy recognises words in batches of eight
    utterances padded with zeros, which there enter the statistics: its results may differ in a few words.

    The file is speechbrain's wav2vec2.ckpt (transformers' names below "model."). Whether the waveform is standardised
    is "do_normalize" in a preprocessor_config.json beside it; without one it is, as for every wav2vec 2.0 that these
    recipes name. Raises CheckpointError for a file that is missing, damaged or of another model.
    """

    def __init__(self, path: Path, hyperparams: Hyperparams, device: str) -> None:
        self._output_norm = hyperparams.arguments("wav2vec2", of=WAV2VEC2).get("output_norm", False)
        if not isinstance(self._output_norm, bool):
            raise CheckpointError(f"{hyperparams.path}: wav2vec2's output_norm is {self._output_norm!r}")
        preprocessor = path.with_name("preprocessor_config.json")
        try:
            options = json.loads(preprocessor.read_text()) if preprocessor.is_file() else {"do_normalize": True}
            self._standardise = bool(options["do_normalize"])
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{preprocessor}: no do_normalize in it ({error!r})") from error
        state = modern_names(read_state(path), "model.")
        model = Wav2Vec2Model(transformer_config(Wav2Vec2Config, state, path))
        self._model = fill(model, state, path).to(device)

    def __call__(self, waveform: np.ndarray) -> Tensor:
        """(T,) -> (1, L, C). Raises ValueError for another shape, fewer than 400 samples, or NaN."""
        samples = torch.from_numpy(np.asarray(waveform, dtype=np.float32))[None]
        if samples.ndim != 2 or samples.shape[1] < MINIMUM or not samples.isfinite().all():
            given = tuple(np.shape(waveform))
            raise ValueError(f"expected a waveform (T,) without NaN, T at least {MINIMUM}, got shape {given}")
        samples = samples.to(self._model.device)
        if self._standardise:
            samples = layer_norm(samples, samples.shape[1:])
        output = self._model(samples).last_hidden_state
        return layer_norm(output, output.shape[1:]) if self._output_norm else output


class VpcAsr(_Recogniser):
    """Speech recognition: wav2vec 2.0, a small network, greedy CTC; an `evaluation.asr.SpeechRecogniser`.

    Of wav2vec2.ckpt, asr.ckpt, tokenizer.ckpt and hyperparams.yaml.
    """

    checkpoint = "vpc_asr"

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        path = _checkpoint(folder, "asr.ckpt")
        hyperparams = Hyperparams.read(_beside(path, HYPERPARAMS, folder))
        self._labels = read_labels(_beside(path, "tokenizer.ckpt", folder))
        self._blank = hyperparams.values.get("blank_index", 0)
        self._head = _ctc_head(path, hyperparams).to(device)
        outputs = self._head[1].w.out_features
        if set(self._labels) != set(range(outputs)) or self._blank not in self._labels:
            raise CheckpointError(f"{path}: {outputs} outputs, but {len(self._labels)} labels or no blank")
        self._encoder = Wav2Vec2Encoder(_beside(path, "wav2vec2.ckpt", folder), hyperparams, device)

    def transcribe(self, waveform: np.ndarray) -> Transcript:
        """The words of a waveform (T,), upper case without punctuation; empty when none was recognised.

        Raises ValueError for less than 25 ms, or NaN.
        """
        with torch.inference_mode():
            scores = self._head[1](self._head[0](self._encoder(waveform)))[0]
        indices = filter_ctc_output(scores.argmax(dim=1).tolist(), blank_id=self._blank)
        return Transcript(normalise_text("".join(self._labels[index] for index in indices)))


class VpcSer(_Recogniser):
    """Emotion recognition, one model a fold: wav2vec 2.0, the mean over time, one linear layer.

    An `evaluation.ser.FoldRecogniser`, of folders fold_1, fold_2, ... A fold's model is loaded at its first use and
    kept (380 MB each).
    """

    checkpoint = "vpc_ser"
    label = "wav2vec 2.0 of VoicePrivacy 2024"
    embedding = ""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        paths = sorted(path for path in folder.rglob("fold_*") if path.is_dir())
        if not paths:
            raise CheckpointError(f"{folder}: no folder fold_1, fold_2, ... in it or below it")
        self._folders, self._device = {path.name.removeprefix("fold_"): path for path in paths}, device
        self._models: dict[str, _FoldModel] = {}

    def posteriors(self, waveform: np.ndarray, fold: str) -> dict[Emotion, float]:
        """Emotion -> probability for a waveform (T,) of a speaker in test fold ``fold``, e.g. "1"; they add up to 1.

        speechbrain's pooling adds random noise below 1e-4 to the mean; it is left out here. Raises CheckpointError when
        the fold is unknown or its model cannot be read, ValueError for less than 25 ms, or NaN.
        """
        if fold not in self._models:
            if fold not in self._folders:
                raise CheckpointError(f"no emotion model of fold '{fold}'; there are {', '.join(self._folders)}")
            self._models[fold] = _FoldModel(self._folders[fold], self._device)
        return self._models[fold](waveform)


class _FoldModel:
    """The emotion recogniser of one fold."""

    def __init__(self, folder: Path, device: str) -> None:
        path = _checkpoint(folder, "model.ckpt")
        hyperparams = Hyperparams.read(_beside(path, HYPERPARAMS, folder))
        labels = _beside(path, "label_encoder.txt", folder.parent)
        names = read_labels(labels)
        if sorted(names.values()) != sorted(Emotion):
            raise CheckpointError(f"{labels}: labels {sorted(names.values())}, expected {sorted(map(str, Emotion))}")
        self._emotions = {index: Emotion(name) for index, name in names.items()}
        self._classifier = _classifier(path, hyperparams, len(self._emotions)).to(device)
        self._encoder = Wav2Vec2Encoder(_beside(path, "wav2vec2.ckpt", folder), hyperparams, device)

    def __call__(self, waveform: np.ndarray) -> dict[Emotion, float]:
        """Waveform (T,) -> probability of each emotion."""
        with torch.inference_mode():
            probabilities = self._classifier[0](self._encoder(waveform).mean(dim=1)).softmax(dim=1)[0]
        return {emotion: float(probabilities[index]) for index, emotion in self._emotions.items()}


def _ctc_head(path: Path, hyperparams: Hyperparams) -> nn.ModuleList:
    """asr.ckpt: speechbrain's VanillaNN (L, C) -> (L, C), and the linear layer of the labels."""
    activation = hyperparams.arguments("enc", of=r"speechbrain\.lobes\.models\.VanillaNN\.VanillaNN").get("activation")
    name = activation.target if isinstance(activation, Tagged) else "torch.nn.LeakyReLU"
    if name not in ACTIVATIONS:
        raise CheckpointError(f"{hyperparams.path}: activation {name} is not one of {', '.join(ACTIVATIONS)}")
    state = read_state(path)
    neurons, channels = shape(state, "0.linear.w.weight", path)
    blocks = sum(key.startswith("0.linear") and key.endswith("weight") for key in state)
    network = VanillaNN([None, None, channels], ACTIVATIONS[name], blocks, neurons)
    outputs = shape(state, "1.w.weight", path)[0]
    return fill(nn.ModuleList([network, Linear(outputs, input_size=neurons)]), state, path)


def _classifier(path: Path, hyperparams: Hyperparams, classes: int) -> nn.ModuleList:
    """model.ckpt: one linear layer on the mean over time, with or without a bias."""
    pooling = hyperparams.arguments("avg_pool", of=r"speechbrain\.nnet\.pooling\.StatisticsPooling")
    if pooling.get("return_std", True) or not pooling.get("return_mean", True):
        raise CheckpointError(f"{hyperparams.path}: pooling {pooling}; the mean alone is expected")
    state = read_state(path)
    outputs, channels = shape(state, "0.w.weight", path)
    if outputs != classes:
        raise CheckpointError(f"{path}: {outputs} outputs, but the labels are {classes} emotions")
    return fill(nn.ModuleList([Linear(outputs, input_size=channels, bias="0.w.bias" in state)]), state, path)


def _checkpoint(folder: Path, name: str) -> Path:
    """The file in ``folder`` or below it; of several, that of the last folder by name (CKPT+DATE), as the challenge."""
    paths = sorted(path for path in folder.rglob(name) if path.is_file())
    if not paths:
        raise CheckpointError(f"{folder}: no {name} in it or below it")
    return paths[-1]


def _beside(path: Path, name: str, top: Path) -> Path:
    """The file ``name`` in the folder of ``path``, else in the nearest one above it up to ``top``."""
    for folder in path.relative_to(top).parents:
        if (top / folder / name).is_file():
            return top / folder / name
    raise CheckpointError(f"{path.parent / name}: is not there")
