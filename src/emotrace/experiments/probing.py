"""Layer probing of a profile: what each layer, the soft units and the embeddings carry; resumable, recorded once.

The results, data/results/<profile>/probing.csv, have one line per representation and target; probing.json beside them
says what they were made with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from emotrace.corpus.datadir import DataDir
from emotrace.corpus.files import write_text_atomic
from emotrace.engine.code import digest
from emotrace.engine.keys import Keys
from emotrace.engine.runner import Record, RunError, Stages, State, run, state_of
from emotrace.engine.workers import DEFAULT_JOBS, Task
from emotrace.experiments.linear_probes import Folds, between_speakers, leave_one_fold_out, leave_texts_out
from emotrace.experiments.probe_features import REPRESENTATIONS, probe_feature_task
from emotrace.experiments.probe_plan import TARGETS, Material, Split, assembled, probe_task
from emotrace.study.profiles import Profile
from emotrace.weights import ModelError

MODELS = ("hubert", "soft", "ecapa", "gst")
FEATURES = "emotrace.experiments.probe_features:write_probe_features"
STREAMS = ("soft:SoftUnits", "f0:F0", "ecapa:EcapaEmbedding", "gst:StyleEmbedding", "mel:LogMel")
PROBES = "emotrace.experiments.probe_plan:write_line"
DIGITS = 6


class ProbingWork:
    """The probes of one profile, as the engine runs and records them.

    Args:
        profile: whose models are probed; its seed is that of the intervals.
        n_bootstrap: draws behind every interval.

    Raises:
        RunError: the profile has no emotional corpus.
    """

    name = "probing"

    def __init__(self, profile: Profile, n_bootstrap: int = 1000):
        self.profile, self.n_bootstrap, self.keys = profile, n_bootstrap, Keys(profile)
        self.folder = profile.work / "probing"
        self.parts = _parts(profile)

    @property
    def record(self) -> Record:
        return probing_record(self.profile)

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
            "models": self._model_hashes,
            "data": self._data_hashes if self.has_data() else dict((recorded or {}).get("data", {})),
            "components": {"features": self._feature_code, "probes": self.keys.code(PROBES)},
            "device": self.profile.device,
            "seed": self.profile.seed,
            "n_bootstrap": self.n_bootstrap,
        }

    def stages(self) -> Stages:
        models, device = self.keys.models.folder, self.profile.device
        features = [
            probe_feature_task(u, self._file(part, u.id), models, device, part in self._aligned)
            for part in self.parts
            for u in self._data(part)
        ]
        return [("layers of every utterance", features), ("probes", self._probes())]

    def _probes(self) -> list[Task]:
        """One line of the results each, in the order of the results."""
        folder = self.folder / f"lines-{digest(self.identity())[:16]}"
        materials = {split: self._material(split) for split in Split}
        return [
            probe_task(representation, target, materials[target.split], folder, self.profile.seed, self.n_bootstrap)
            for target in TARGETS
            for representation in target.representations
        ]

    def tables(self) -> Mapping[Path, Callable[[Path], None]]:
        text = assembled(self._probes()).round(DIGITS).to_csv(index=False)
        return {self.record.tables[0]: lambda path: write_text_atomic(path, text)}

    def about(self) -> dict[str, Any]:
        return {"profile": self.profile.name}

    def require_unchanged_code(self) -> None:
        self.keys.require_unchanged_code()

    def _material(self, split: Split) -> Material:
        parts, folds = self._split(split)
        utterances = tuple(u for part in parts for u in self._data(part))
        files = tuple(self._file(part, u.id) for part in parts for u in self._data(part))
        return Material(utterances, files, folds)

    def _split(self, split: Split) -> tuple[tuple[str, ...], Folds]:
        """The data directories of a split, and its folds."""
        pair = {Split.SPEAKERS: ("training", "emotional"), Split.READING: ("read-train", "read-test")}.get(split, ())
        if not pair or not set(pair) <= set(self.parts):
            utterances = self._data("emotional").utterances
            by = leave_one_fold_out if split is Split.SPEAKERS else leave_texts_out
            return ("emotional",), by(utterances)
        train, test = (self._data(part).utterances for part in pair)
        if split is Split.SPEAKERS:
            return pair, between_speakers(train, test)
        return pair, ((frozenset(u.id for u in train), frozenset(u.id for u in test)),)

    @property
    def _aligned(self) -> tuple[str, ...]:
        """The data directories whose phones are probed."""
        return ("read-train", "read-test") if "read-test" in self.parts else ("emotional",)

    def _data(self, part: str) -> DataDir:
        return self.keys.data(self.parts[part])

    def _file(self, part: str, utterance: str) -> Path:
        aligned, data = part in self._aligned, self._data_hashes[part]
        key = digest([self._feature_code, aligned, self._model_hashes, data])[:16]
        return self.folder / f"{part}-{key}" / f"{quote(utterance, safe='')}.safetensors"

    @property
    def _feature_code(self) -> str:
        return self.keys.code(FEATURES, *(f"emotrace.representation.{name}" for name in STREAMS))

    @cached_property
    def _model_hashes(self) -> dict[str, str | None]:
        there = self.keys.models.names()
        return {name: self.keys.models.sha256(name) if name in there else None for name in MODELS}

    @cached_property
    def _data_hashes(self) -> dict[str, str]:
        return {part: self.keys.data_hash(path) for part, path in self.parts.items()}


def probing_record(profile: Profile) -> Record:
    """Where the probing is recorded: probing.csv, and its provenance beside it."""
    return Record(profile.results / "probing.json", (profile.results / "probing.csv",))


def run_probing(
    profile: Profile,
    *,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    rerun_stale: bool = True,
    n_bootstrap: int = 1000,
) -> bool:
    """Probe every representation of the profile where that is not recorded yet; whether anything was done.

    Killed, it resumes; no result depends on the workers or on the order. Errors as of `engine.runner.run`.
    """
    options = {"jobs": jobs, "scheduler": scheduler, "kernels": profile.kernels, "rerun_stale": rerun_stale}
    return bool(run([ProbingWork(profile, n_bootstrap)], profile.work, **options))


def probing_state(profile: Profile, *, n_bootstrap: int = 1000) -> State:
    """Where the probing stands; without the data, what is recorded is judged by everything else."""
    return state_of(ProbingWork(profile, n_bootstrap))


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
    """The data directories that the probes read, by what they are for; reading: where its training part lies beside."""
    corpora = {corpus.name: corpus.path for corpus in profile.corpora}
    if "emotional" not in corpora:
        raise RunError(f"profile {profile.name} has no emotional corpus to probe")
    parts = {"emotional": corpora["emotional"]}
    if profile.ser_training is not None:
        parts["training"] = profile.ser_training
    if "read" in corpora and corpora["read"].name == "test":
        parts |= {"read-train": corpora["read"].with_name("train"), "read-test": corpora["read"]}
    return parts
