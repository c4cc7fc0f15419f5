"""Layer probing of a profile: what each layer, the soft units and the embeddings carry; resumable, recorded once.

The results, data/results/<profile>/probing.csv, have one line per representation and target; beside them
probing_predictions.parquet has what every probe predicted, and probing.json what it was made with. N lines (frames or
utterances), C channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.corpus.files import file_sha256, write_text_atomic
from emotrace.engine.code import digest
from emotrace.engine.keys import Keys
from emotrace.engine.runner import Record, RunError, Stages, run
from emotrace.engine.workers import DEFAULT_JOBS, Task
from emotrace.experiments.linear_probes import (
    Folds,
    Score,
    baseline,
    between_speakers,
    leave_one_fold_out,
    leave_readers_out,
    leave_texts_out,
    predict,
    score_interval,
)
from emotrace.experiments.probe_features import (
    EMBEDDINGS,
    FRAME_STREAMS,
    PHONES,
    REPRESENTATIONS,
    write_probe_features,
)
from emotrace.representation import STREAMS
from emotrace.study.profiles import Profile
from emotrace.weights import ModelError

MODELS = ("hubert", "soft", "soft-whisper", "ecapa", "gst")
READ = ("soft", "soft-whisper", "whisper", "f0", "ecapa", "gst", "log-mel")  # streams besides HuBERT's layers
READERS = 5  # groups of readers, each left out once
DIGITS = 6
PREDICTIONS = dict.fromkeys(("representation", "of", "probe", "speaker", "utterance", "fold"), "category")
PREDICTIONS |= {"label": "category", "predicted_label": "category", "value": "float32", "predicted_value": "float32"}
"""Columns and types of the recorded predictions, one line for each test line of each probe."""


class Split(StrEnum):
    """What of the corpora a probe learns from, and what it is tested on.

    - speakers: the profile's training directory and its emotional corpus (scale: RAVDESS actors 01-12, then 13-24);
      without the former, leave one fold of speakers out of the emotional corpus.
    - texts: the emotional corpus, one text left out at a time. Speakers must be known to be recognised, so they are on
      both sides; a split by repetition instead would let the probe know a speaker by how one sentence sounds.
    - reading: the read corpus, a fifth of its readers left out at a time. Without one, as texts: no phone is known by
      its place in a sentence.
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


def write_line(output: Path, representation: str, target: Target, material: Material, seed: int, n: int) -> None:
    """Fit, test and write one line of the results, with an interval of ``n`` draws, and what was predicted.

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
    predictions = judged.assign(target=judged["target"].tolist()).to_dict("list")
    write_text_atomic(output, json.dumps({"line": line, "predictions": predictions}, allow_nan=False))


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


class ProbingWork:
    """The probes of one profile, whose seed is that of the intervals, as the engine runs and records them.

    Raises RunError where the profile has no emotional corpus.
    """

    name = "probing"

    def __init__(self, profile: Profile, n_bootstrap: int = 1000):
        self.profile, self.n_bootstrap, self.keys = profile, n_bootstrap, Keys(profile)
        self.folder = profile.work / "probing"
        self.record, self.parts = probing_record(profile), _parts(profile)

    def has_data(self) -> bool:
        """Whether every data directory that the probes read is there."""
        return all((path / "wav.scp").is_file() for path in self.parts.values())

    def require(self) -> None:
        if not self.has_data():
            raise RunError(f"profile {self.profile.name}: no data to probe; {self.profile.missing}")
        if missing := sorted(set(MODELS) - set(self.keys.models.names())):
            raise ModelError(f"no model {missing[0]} in {self.keys.models.folder}: emotrace train {missing[0]}")

    def identity(self, recorded: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {
            "models": self._model_hashes | {"whisper": file_sha256(STREAMS.find("whisper").files()[0])},
            "data": self._data_hashes if self.has_data() else dict((recorded or {}).get("data", {})),
            "components": {"features": self._feature_code, "probes": self.keys.code(write_line)},
            "device": self.profile.device,
            "seed": self.profile.seed,
            "n_bootstrap": self.n_bootstrap,
        }

    def stages(self) -> Stages:
        models, device = self.keys.models.folder, self.profile.device
        features = [
            Task(
                f"layers and probe targets of {u.id}",
                self._file(part, u),
                write_probe_features,
                (u, models, device, part in self._aligned),
            )
            for part in self.parts
            for u in self._data(part)
        ]
        return [("layers of every utterance", features), ("probes", self._probes())]

    def _probes(self) -> list[Task]:
        """The tasks that fit one probe in every fold and write its line of the results, in the order of the results."""
        folder = self.folder / f"lines-{digest(self.identity())[:16]}"
        materials = {split: self._material(split) for split in Split}
        tasks = []
        for target in TARGETS:
            for representation in target.representations:
                file = f"{target.probe}-{target.name}/{representation}.json".replace(" ", "-")
                given = (representation, target, materials[target.split], self.profile.seed, self.n_bootstrap)
                name = f"probe of {representation} for {target.name}, {target.probe}"
                tasks.append(Task(name, folder / file, write_line, given))
        return tasks

    def tables(self) -> Mapping[Path, Callable[[Path], None]]:
        found = [json.loads(task.output.read_text()) for task in self._probes()]
        text = pd.DataFrame([each["line"] for each in found]).round(DIGITS).to_csv(index=False)
        predictions = pd.concat([_predictions(**each) for each in found], ignore_index=True).astype(PREDICTIONS)
        scores, predicted = self.record.tables
        return {
            scores: lambda path: write_text_atomic(path, text),
            predicted: lambda path: predictions.to_parquet(path, index=False),
        }

    def about(self) -> dict[str, Any]:
        return {"profile": self.profile.name}

    def require_unchanged_code(self) -> None:
        self.keys.require_unchanged_code()

    def _material(self, split: Split) -> Material:
        """What the probes of a split learn from and are tested on."""
        parts = ("read",) if split is Split.READING and "read" in self.parts else ("emotional",)
        if split is Split.SPEAKERS and "training" in self.parts:
            parts = ("training", "emotional")
            folds = between_speakers(*(self._data(part).utterances for part in parts))
        elif split is Split.SPEAKERS:
            folds = leave_one_fold_out(self._data("emotional").utterances)
        elif parts == ("read",):
            folds = leave_readers_out(self._data("read").utterances, READERS)
        else:
            folds = leave_texts_out(self._data("emotional").utterances)
        utterances = tuple(u for part in parts for u in self._data(part))
        files = tuple(self._file(part, u) for part in parts for u in self._data(part))
        return Material(utterances, files, folds)

    @property
    def _aligned(self) -> tuple[str, ...]:
        """The data directories whose phones are probed."""
        return ("read",) if "read" in self.parts else ("emotional",)

    def _data(self, part: str) -> DataDir:
        return self.keys.data(self.parts[part])

    def _file(self, part: str, utterance: Utterance) -> Path:
        aligned, data = part in self._aligned, self._data_hashes[part]
        key = digest([self._feature_code, aligned, self._model_hashes, data])[:16]
        return self.folder / f"{part}-{key}" / f"{quote(utterance.id, safe='')}.safetensors"

    @property
    def _feature_code(self) -> str:
        return self.keys.code(write_probe_features, *map(STREAMS.find, READ))

    @cached_property
    def _model_hashes(self) -> dict[str, str | None]:
        there = self.keys.models.names()
        return {name: self.keys.models.sha256(name) if name in there else None for name in MODELS}

    @cached_property
    def _data_hashes(self) -> dict[str, str]:
        return {part: self.keys.data_hash(path) for part, path in self.parts.items()}


def _predictions(line: dict[str, Any], predictions: dict[str, list]) -> pd.DataFrame:
    """The lines of `PREDICTIONS` of one probe: of classes the labels, of a regression the numbers."""
    frame = pd.DataFrame(predictions).assign(representation=line["representation"], of=line["target"])
    kind = "value" if line["score"] == Score.R2 else "label"
    frame = frame.rename(columns={"target": kind, "predicted": f"predicted_{kind}"})
    return frame.assign(probe=line["probe"]).reindex(columns=list(PREDICTIONS))


def probing_record(profile: Profile) -> Record:
    """Where the probing is recorded: probing.csv, probing_predictions.parquet, and their provenance beside them."""
    names = ("probing.csv", "probing_predictions.parquet")
    return Record(profile.results / "probing.json", tuple(profile.results / name for name in names))


def run_probing(
    profile: Profile, *, jobs: int = DEFAULT_JOBS, scheduler: str | None = None, n_bootstrap: int = 1000
) -> bool:
    """Probe every representation of the profile where that is not recorded yet; whether anything was done.

    Killed, it resumes; no result depends on the workers or on the order. Errors as of `engine.runner.run`.
    """
    work = ProbingWork(profile, n_bootstrap)
    return bool(run([work], profile.work, jobs=jobs, scheduler=scheduler, kernels=profile.kernels))


def read_probing(profile: Profile) -> pd.DataFrame:
    """The recorded results: columns representation, target, probe, score, estimate, low, high, interval_over, baseline,
    n_train, n_test; one line per representation and target.

    Raises RunError where none are recorded.
    """
    if probing_record(profile).read() is None:
        raise RunError(
            f"no probing of profile {profile.name} is recorded; run: emotrace probe --profile {profile.name}"
        )
    table = pd.read_csv(probing_record(profile).tables[0])
    return table.assign(representation=pd.Categorical(table["representation"], REPRESENTATIONS, ordered=True))


def probing_beside(profiles: Sequence[Profile]) -> pd.DataFrame:
    """`read_probing` of every profile that has recorded results, with a column panel ("scale: frame by frame").

    Raises RunError where none has.
    """
    recorded = [profile for profile in profiles if probing_record(profile).read() is not None] or profiles[:1]
    tables = [read_probing(profile).assign(profile=profile.name) for profile in recorded]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(panel=table["profile"] + ": " + table["probe"])


def _parts(profile: Profile) -> dict[str, Path]:
    """The data directories that the probes read, by what they are for."""
    corpora = {corpus.name: corpus.path for corpus in profile.corpora}
    if "emotional" not in corpora:
        raise RunError(f"profile {profile.name} has no emotional corpus to probe")
    parts = {"emotional": corpora["emotional"]}
    if profile.ser_training is not None:
        parts["training"] = profile.ser_training
    if "read" in corpora:
        parts["read"] = corpora["read"]
    return parts
