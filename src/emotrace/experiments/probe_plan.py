"""Which probe learns from which utterances and is tested on which, and the task that fits one.

N lines (frames or utterances), C channels.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from emotrace.corpus.datadir import Utterance
from emotrace.corpus.files import write_text_atomic
from emotrace.engine.workers import Task
from emotrace.experiments.linear_probes import Folds, Score, baseline, predict, score_interval
from emotrace.experiments.probe_features import EMBEDDINGS, FRAME_STREAMS, PHONES


class Split(StrEnum):
    """What of the corpora a probe learns from, and what it is tested on.

    - speakers: the profile's training directory and its emotional corpus (scale: RAVDESS actors 01-12, then 13-24);
      without the former, leave one fold of speakers out of the emotional corpus.
    - texts: the emotional corpus, one text left out at a time. Speakers must be known to be recognised, so they are on
      both sides; a split by repetition instead would let the probe know a speaker by how one sentence sounds.
    - reading: the training and the test part of the read corpus (scale: LibriSpeech; the test reader also reads in the
      training part, another chapter). Without them, as texts: no phone is known by its place in a sentence.
    """

    SPEAKERS = "speakers"
    TEXTS = "texts"
    READING = "reading"


class Probe(StrEnum):
    """Which lines a probe reads: single frames; utterances, pooled; or pooled utterances for a mean over their frames.

    Pooled: mean and standard deviation over time, for embeddings the embedding.
    """

    FRAME = "frame by frame"
    UTTERANCE = "utterance"
    MEAN = "utterance mean"


@dataclass(frozen=True)
class Target:
    """What a probe is asked for."""

    name: str
    probe: Probe
    score: Score
    split: Split

    @property
    def representations(self) -> tuple[str, ...]:
        """An embedding has no frames."""
        return FRAME_STREAMS if self.probe is Probe.FRAME else (*FRAME_STREAMS, *EMBEDDINGS)


TARGETS = (
    Target("F0", Probe.FRAME, Score.R2, Split.SPEAKERS),  # log2 Hz, voiced frames
    Target("energy", Probe.FRAME, Score.R2, Split.SPEAKERS),  # dB re the utterance's speech level, speech frames
    Target("spectral tilt", Probe.FRAME, Score.R2, Split.SPEAKERS),  # dB per octave, speech frames
    Target("phone", Probe.FRAME, Score.ACCURACY, Split.READING),
    Target("emotion", Probe.UTTERANCE, Score.UAR, Split.SPEAKERS),
    Target("speaker", Probe.UTTERANCE, Score.ACCURACY, Split.TEXTS),
    Target("F0", Probe.MEAN, Score.R2, Split.SPEAKERS),  # mean of the log2 Hz
    Target("energy", Probe.MEAN, Score.R2, Split.SPEAKERS),  # mean dB re full scale after peak normalisation
    Target("spectral tilt", Probe.MEAN, Score.R2, Split.SPEAKERS),
)


@dataclass(frozen=True)
class Material:
    """Utterances with the files of `probe_features`, and which of them a probe learns from and is tested on."""

    utterances: tuple[Utterance, ...]
    files: tuple[Path, ...]
    folds: Folds


def probe_task(representation: str, target: Target, material: Material, folder: Path, seed: int, n: int) -> Task:
    """The task that fits one probe in every fold and writes its line of the results."""
    name = f"probe of {representation} for {target.name}, {target.probe}"
    output = folder / f"{target.probe}-{target.name}".replace(" ", "-") / f"{representation.replace(' ', '-')}.json"
    return Task(name, output, write_line, (representation, target, material, seed, n))


def write_line(output: Path, representation: str, target: Target, material: Material, seed: int, n: int) -> None:
    """Fit, test and write one line of the results, with an interval of ``n`` draws.

    Drawn are the speakers of the test lines, or their utterances where there is a single speaker. n_train is that of
    the smallest fold, n_test that of all folds together. Raises ProbeError or MetricError where nothing can be said.
    """
    lines = read_lines(material, representation, target)
    tested = [_tested(lines, train, test, target.score) for train, test in material.folds]
    judged = pd.concat([test for _, test in tested], ignore_index=True)
    by = "speaker" if judged["speaker"].nunique() > 1 else "utterance"
    interval = score_interval(judged, target.score, by=by, n=n, seed=seed)
    line = {"representation": representation, "target": target.name, "probe": target.probe, "score": target.score}
    line |= interval._asdict() | {"interval_over": f"{by}s", "baseline": baseline(judged, target.score)}
    line |= {"n_train": min(count for count, _ in tested), "n_test": len(judged)}
    write_text_atomic(output, json.dumps(line, allow_nan=False))


@dataclass(frozen=True)
class Lines:
    """Features x (N, C), targets (N,), and in ``owners`` (N lines) the speaker, utterance and fold of each."""

    x: np.ndarray
    targets: np.ndarray
    owners: pd.DataFrame


def read_lines(material: Material, representation: str, target: Target) -> Lines:
    """All lines of the material that have the target: an unvoiced frame has no F0, silence no phone.

    Raises ValueError naming a file that is damaged.
    """
    features, targets, owners = [], [], []
    for utterance, file in zip(material.utterances, material.files, strict=True):
        x, values = _read(file, representation, target, utterance)
        defined = pd.notna(values)
        features.append(x[defined])
        targets += list(values[defined])
        owners += [(utterance.speaker, utterance.id, utterance.fold or "all")] * int(defined.sum())
    owners = pd.DataFrame(owners, columns=["speaker", "utterance", "fold"])
    return Lines(np.concatenate(features).astype(np.float64), np.array(targets), owners)


def _read(file: Path, representation: str, target: Target, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, C) and targets (N,) of one utterance, undefined targets as None or NaN."""
    part = "frames" if target.probe is Probe.FRAME else "pooled"
    try:
        with safe_open(file, "numpy") as tensors:
            x = np.atleast_2d(tensors.get_tensor(f"{part}/{representation}"))
            if target.probe is Probe.UTTERANCE:
                return x, np.array([_label(utterance, target.name)], dtype=object)
            part = "frames" if target.probe is Probe.FRAME else "mean"
            values = tensors.get_tensor(f"{part}/{target.name}").astype(np.float64)
    except SafetensorError as error:
        raise ValueError(f"{file}: damaged ({error}); remove it and repeat the command") from error
    return x, values if target.name != "phone" else _phone_names(values)


def _label(utterance: Utterance, name: str) -> str | None:
    if name == "speaker":
        return utterance.speaker
    return None if utterance.emotion is None else utterance.emotion.value


def _phone_names(values: np.ndarray) -> np.ndarray:
    return np.array([None if np.isnan(value) else PHONES[int(value)] for value in values], dtype=object)


def _tested(lines: Lines, train: frozenset[str], test: frozenset[str], score: Score) -> tuple[int, pd.DataFrame]:
    """How many lines a probe learned from, and its test lines with columns target and predicted."""
    learns, judged = (lines.owners["utterance"].isin(ids).to_numpy() for ids in (train, test))
    owners = lines.owners[learns]
    groups = owners["speaker"] if owners["speaker"].nunique() > 1 else owners["utterance"]
    targets = lines.targets[learns]
    predicted = predict(score, lines.x[learns], targets, list(groups), lines.x[judged])
    return int(learns.sum()), lines.owners[judged].assign(target=lines.targets[judged], predicted=predicted)


def assembled(tasks: Sequence[Task]) -> pd.DataFrame:
    """The lines of finished probe tasks, in their order."""
    return pd.DataFrame([json.loads(task.output.read_text()) for task in tasks])
