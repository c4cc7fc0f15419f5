"""What models learn from: speech in memory, and its features on disk.

Axes: T samples at 16 kHz, D IR channels, L frames (100/s), B batch.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor, nn
from tqdm import tqdm

from emotrace.anonymizer.targets import load_targets
from emotrace.corpus.audio import load_audio, peak_normalise, save_audio
from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.representation import STREAMS
from emotrace.representation.discrete import load_codebook
from emotrace.representation.features import FeatureCache, Features
from emotrace.representation.ir import build_ir, f0_channel
from emotrace.representation.spec import IRSpec, StreamSpec
from emotrace.training.loop import state
from emotrace.weights import ModelFolder

COPY_SPEEDS = (0.87, 1.15)
MIN_STD = 1e-3  # a constant channel (an unused soft unit, a padded band) must not be blown up


@dataclass(frozen=True)
class TrainingSet:
    """Utterances and their waveforms, (T,) float32 at 16 kHz, peak-normalised as SSL-SAS does."""

    utterances: tuple[Utterance, ...]
    waveforms: tuple[np.ndarray, ...]

    @property
    def seconds(self) -> float:
        """Length of all speech."""
        return sum(len(waveform) for waveform in self.waveforms) / 16_000

    def at_least(self, samples: int) -> "TrainingSet":
        """Shorter utterances repeated until they fill ``samples``, so that crops can be cut from every one."""
        return TrainingSet(self.utterances, tuple(repeat_to(waveform, samples) for waveform in self.waveforms))


def load_training_set(folders: Sequence[Path], *, emotional: bool = False) -> TrainingSet:
    """Load every utterance without emotion or with a neutral one from data directories, or all of them.

    Emotional utterances are left out on purpose: the paper's models learn from read speech only. Models that learn from
    them, too, show what that does.
    """
    wanted = (None, *Emotion) if emotional else (None, Emotion.NEUTRAL)
    utterances = tuple(u for folder in folders for u in DataDir.read(folder) if u.emotion in wanted)
    return TrainingSet(utterances, tuple(peak_normalise(load_audio(utterance.path)) for utterance in utterances))


def with_copies(data: TrainingSet, folder: Path, speeds: Sequence[float] = COPY_SPEEDS) -> TrainingSet:
    """The set and a copy of it at each of ``speeds``, as other speakers; the audio of the copies is kept in ``folder``.

    Fifteen speakers are few: a model that has learned from no other voices does badly on those of the test.
    """
    utterances, waveforms = list(data.utterances), list(data.waveforms)
    for speed in speeds:
        for utterance, waveform in zip(data.utterances, data.waveforms, strict=True):
            path = folder / f"speed{speed:g}" / f"{utterance.id}.flac"
            if not path.exists():
                save_audio(path, peak_normalise(change_speed(waveform, speed)))
            names = {"id": f"{utterance.id}-speed{speed:g}", "speaker": f"{utterance.speaker}-speed{speed:g}"}
            utterances.append(replace(utterance, path=path, **names))
            waveforms.append(peak_normalise(load_audio(path)))
    return TrainingSet(tuple(utterances), tuple(waveforms))


def change_speed(waveform: np.ndarray, speed: float) -> np.ndarray:
    """Play a waveform (T,) ``speed`` times as fast, by resampling: (T / speed,)."""
    return waveform if speed == 1.0 else soxr.resample(waveform, 16_000 * speed, 16_000).astype(np.float32)


def repeat_to(waveform: np.ndarray, samples: int) -> np.ndarray:
    """A waveform (T,) as often as it takes to fill ``samples``."""
    return np.tile(waveform, -(-samples // len(waveform)))


def normalise_to(model: nn.Module, **data: Iterable[Tensor]) -> None:
    """Set a model's buffers to the moments of the channels of its training data, over all frames, taken in float64.

    ``ir``, (D, L) each, sets `ir_mean` and `ir_std`; ``mel``, (80, M) each, likewise. Channels beyond those of the data
    are learned ones and stay as they are. Raises ValueError on NaN and when there is no array.
    """
    for name, arrays in data.items():
        count, total, squares = 0, 0.0, 0.0
        for array in arrays:
            frames = torch.as_tensor(array, dtype=torch.float64)
            count += frames.shape[1]
            total = total + frames.sum(dim=1, keepdim=True)
            squares = squares + frames.square().sum(dim=1, keepdim=True)
        if count == 0:
            raise ValueError("no training utterance to normalise by")
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        if not torch.isfinite(mean + std).all():
            raise ValueError("the features of the training utterances have NaN or infinite values")
        getattr(model, f"{name}_mean")[: len(mean)].copy_(mean)
        getattr(model, f"{name}_std")[: len(std)].copy_(std.clamp(min=MIN_STD))


def draw_by_length(rng: np.random.Generator, lengths: Sequence[int], size: int) -> np.ndarray:
    """Indices (B,) of ``size`` utterances, each as likely as it is long."""
    weights = np.array(lengths, dtype=np.float64)
    return rng.choice(len(weights), size=size, p=weights / weights.sum())


@dataclass(frozen=True)
class TrainingFeatures:
    """Streams and IRs of training utterances; each stream is computed once and kept on disk, below ``root``.

    ``models`` is what they are loaded from; another version of a model is another folder of its streams.
    """

    models: ModelFolder
    root: Path

    def each(self, data: TrainingSet, streams: Sequence[StreamSpec]) -> Iterator[Features]:
        """The features of every utterance, one after the other; of several processes each computes its part.

        Raises ModelError where a model is not there, AudioError or ValueError naming the audio file.
        """
        feature_cache, here = self._cache(streams), state()
        if here.num_processes > 1:
            for utterance in data.utterances[here.process_index :: here.num_processes]:
                for stream in streams:
                    feature_cache.get(utterance, stream)
            here.wait_for_everyone()
        bar = {"desc": "features", "unit": "file", "mininterval": 5, "disable": not here.is_main_process}
        return (Features(utterance, feature_cache) for utterance in tqdm(data.utterances, **bar))

    def irs(self, data: TrainingSet, spec: IRSpec) -> list[Tensor]:
        """The IR (D, L) of every utterance, with its own speaker. Raises as `each` does."""
        codebook = load_codebook(self.models, spec.codebook)
        targets = load_targets(self.models) if spec.speaker == "one-hot" else None
        irs = []
        for features in self.each(data, spec.streams):
            number = targets.one_hot(features.utterance.speaker) if targets else None
            irs.append(build_ir(spec, features.__getitem__, codebook=codebook, speaker=number))
        return irs

    def f0_channel(self, data: TrainingSet, spec: IRSpec) -> int | None:
        """Which channel of these IRs is F0 in Hz; None where no channel is."""
        first = Features(data.utterances[0], self._cache(spec.streams))
        return f0_channel(spec, first.__getitem__, codebook=load_codebook(self.models, spec.codebook))

    def _cache(self, streams: Sequence[StreamSpec]) -> FeatureCache:
        """The streams, each loaded at most once, in folders named by the versions of the models that they take."""
        versions = {
            spec: [self.models.sha256(model)[:12] for model in STREAMS.find(spec.name).models] for spec in streams
        }
        keys = {spec: "-".join(names) or "weightless" for spec, names in versions.items()}
        return FeatureCache(self.root, keys, cache(lambda spec: STREAMS.find(spec.name).load(self.models, spec.layer)))


def models_of(spec: IRSpec) -> tuple[str, ...]:
    """Names of the models that an IR is made with."""
    names = [name for stream in spec.streams for name in STREAMS.find(stream.name).models]
    names += ["targets"] if spec.speaker == "one-hot" else []
    names += [spec.codebook] if spec.codebook else []
    return tuple(dict.fromkeys(names))
