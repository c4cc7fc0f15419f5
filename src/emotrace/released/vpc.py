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
from emotrace.evaluation.asr import normalise_text
from emotrace.released.checkpoints import CHECKPOINTS
from emotrace.released.files import Hyperparams, Tagged, fill, read_labels, read_state, shape
from emotrace.released.loaders import ecapa_voxceleb, modern_names, transformer_config
from emotrace.representation.ecapa import Ecapa
from emotrace.weights import CheckpointError

HYPERPARAMS = "hyperparams.yaml"
MINIMUM = 400  # samples in the receptive field of wav2vec 2.0's first frame
WAV2VEC2 = r"speechbrain\.(lobes\.models|integrations)\.hugging\w+(\.wav2vec2)?\.(HuggingFace)?Wav2Vec2"
ECAPA = r"speechbrain\.lobes\.models\.ECAPA_TDNN\.ECAPA_TDNN"
# what speechbrain's class takes by default and no shape of a weight tells
ECAPA_KERNELS, ECAPA_DILATIONS = [5, 3, 3, 3, 1], [1, 2, 3, 4, 1]
ACTIVATIONS = {"torch.nn.LeakyReLU": nn.LeakyReLU, "torch.nn.ReLU": nn.ReLU, "torch.nn.GELU": nn.GELU}


class _Recogniser:
    """A recogniser made of a released checkpoint."""

    checkpoint: ClassVar[str]

    @classmethod
    def make(cls, device: str = "cpu") -> Self:
        """From the checkpoint folder. Raises MissingCheckpointError where it is not there, else as `load`."""
        return cls.load(CHECKPOINTS.find(cls.checkpoint).path(), device=device)

    @classmethod
    def files(cls) -> tuple[Path, ...]:
        """Every file of the checkpoint, sorted. Raises MissingCheckpointError where it is not there."""
        folder = CHECKPOINTS.find(cls.checkpoint).path()
        return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


class VpcAsv(_Recogniser):
    """Speaker verification's encoder, an ECAPA-TDNN; an `evaluation.asv.SpeakerEncoder`."""

    checkpoint = "vpc_asv_orig"

    def __init__(self, ecapa: Ecapa, *, device: str = "cpu") -> None:
        self._ecapa, self._device = ecapa.to(device), device

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> VpcAsv:
        """From the folder of asv_orig: embedding_model.ckpt and hyperparams.yaml, in it or below it.

        Raises CheckpointError when a file is missing, damaged or of another model.
        """
        path = _checkpoint(folder, "embedding_model.ckpt")
        options = Hyperparams.read(_beside(path, HYPERPARAMS, folder)).arguments("embedding_model", of=ECAPA)
        kernels, dilations = options.get("kernel_sizes", ECAPA_KERNELS), options.get("dilations", ECAPA_DILATIONS)
        if (kernels, dilations) != (ECAPA_KERNELS, ECAPA_DILATIONS):
            raise CheckpointError(f"{folder}: an ECAPA-TDNN with kernels {kernels} and dilations {dilations}")
        return cls(ecapa_voxceleb(path), device=device)

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
    """Speech recognition: wav2vec 2.0, a small network, greedy CTC; an `evaluation.asr.SpeechRecogniser`."""

    checkpoint = "vpc_asr"

    def __init__(self, encoder: Wav2Vec2Encoder, head: nn.ModuleList, labels: dict[int, str], blank: int) -> None:
        self._encoder, self._head, self._labels, self._blank = encoder, head, labels, blank

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> VpcAsr:
        """From the folder of asr: wav2vec2.ckpt, asr.ckpt, tokenizer.ckpt and hyperparams.yaml, in it or below it.

        Raises CheckpointError when a file is missing, damaged or of another model.
        """
        path = _checkpoint(folder, "asr.ckpt")
        hyperparams = Hyperparams.read(_beside(path, HYPERPARAMS, folder))
        labels = read_labels(_beside(path, "tokenizer.ckpt", folder))
        blank = hyperparams.values.get("blank_index", 0)
        head = _ctc_head(path, hyperparams).to(device)
        if set(labels) != set(range(head[1].w.out_features)) or blank not in labels:
            raise CheckpointError(f"{path}: {head[1].w.out_features} outputs, but {len(labels)} labels or no blank")
        encoder = Wav2Vec2Encoder(_beside(path, "wav2vec2.ckpt", folder), hyperparams, device)
        return cls(encoder, head, labels, blank)

    def transcribe(self, waveform: np.ndarray) -> str:
        """The words of a waveform (T,), upper case without punctuation; empty when none was recognised.

        Raises ValueError for less than 25 ms, or NaN.
        """
        with torch.inference_mode():
            scores = self._head[1](self._head[0](self._encoder(waveform)))[0]
        indices = filter_ctc_output(scores.argmax(dim=1).tolist(), blank_id=self._blank)
        return normalise_text("".join(self._labels[index] for index in indices))


class VpcSer(_Recogniser):
    """Emotion recognition, one model a fold: wav2vec 2.0, the mean over time, one linear layer.

    An `evaluation.ser.FoldRecogniser`. A fold's model is loaded at its first use and kept (380 MB each).
    """

    checkpoint = "vpc_ser"
    label = "wav2vec 2.0 of VoicePrivacy 2024"
    embedding = ""

    def __init__(self, folders: dict[str, Path], *, device: str = "cpu") -> None:
        self._folders, self._device = folders, device
        self._models: dict[str, _FoldModel] = {}

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> VpcSer:
        """From the folder of ser, which has fold_1, fold_2, ... in it or below it; each is read at its first use.

        Raises CheckpointError when there is no fold.
        """
        paths = sorted(path for path in Path(folder).rglob("fold_*") if path.is_dir())
        if not paths:
            raise CheckpointError(f"{folder}: no folder fold_1, fold_2, ... in it or below it")
        return cls({path.name.removeprefix("fold_"): path for path in paths}, device=device)

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
        self._emotions = _emotions(_beside(path, "label_encoder.txt", folder.parent))
        self._classifier = _classifier(path, hyperparams, len(self._emotions)).to(device)
        self._encoder = Wav2Vec2Encoder(_beside(path, "wav2vec2.ckpt", folder), hyperparams, device)

    def __call__(self, waveform: np.ndarray) -> dict[Emotion, float]:
        """Waveform (T,) -> probability of each emotion."""
        with torch.inference_mode():
            probabilities = self._classifier[0](self._encoder(waveform).mean(dim=1)).softmax(dim=1)[0]
        return {emotion: float(probabilities[index]) for index, emotion in self._emotions.items()}


def _ctc_head(path: Path, hyperparams: Hyperparams) -> nn.ModuleList:
    """asr.ckpt: speechbrain's VanillaNN (L, C) -> (L, C), and the linear layer of the labels."""
    options = hyperparams.arguments("enc", of=r"speechbrain\.lobes\.models\.VanillaNN\.VanillaNN")
    activation = options.get("activation")
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


def _emotions(path: Path) -> dict[int, Emotion]:
    labels = read_labels(path)
    if sorted(labels.values()) != sorted(Emotion):
        raise CheckpointError(f"{path}: labels {sorted(labels.values())}, expected {sorted(map(str, Emotion))}")
    return {index: Emotion(label) for index, label in labels.items()}


def _checkpoint(folder: Path, name: str) -> Path:
    """The file in ``folder`` or below it; of several, that of the last folder by name (CKPT+DATE), as the challenge."""
    paths = sorted(path for path in Path(folder).rglob(name) if path.is_file())
    if not paths:
        raise CheckpointError(f"{folder}: no {name} in it or below it")
    return paths[-1]


def _beside(path: Path, name: str, top: Path) -> Path:
    """The file ``name`` in the folder of ``path``, else in the nearest one above it up to ``top``."""
    for folder in path.parents:
        if (folder / name).is_file():
            return folder / name
        if folder == Path(top):
            break
    raise CheckpointError(f"{path.parent / name}: is not there")
