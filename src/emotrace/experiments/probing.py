"""Layer probing of a profile: what each layer, the soft units and the embeddings carry; resumable, recorded once.

The results, data/results/<profile>/probing.csv, have one line per representation and target; probing.json beside them
says what they were made with.
"""

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from emotrace.corpus.datadir import DataDir
from emotrace.corpus.files import write_text_atomic
from emotrace.experiments.linear_probes import Folds, between_speakers, leave_one_fold_out, leave_texts_out
from emotrace.models import ModelError
from emotrace.study.layout import Layout
from emotrace.experiments.probe_features import REPRESENTATIONS, probe_feature_task
from emotrace.experiments.probe_plan import TARGETS, Material, Split, assembled, probe_task
from emotrace.study.profiles import Profile, ProfileError
from emotrace.engine.provenance import CodeChangedError, code_version, digest
from emotrace.engine.record import Record
from emotrace.study.runner import RowState, running
from emotrace.pipeline.pipeline import FRONT_END_MODELS
from emotrace.engine.workers import DEFAULT_JOBS, Task

RESULTS = "probing.csv"
FEATURE_CODE = (
    *("corpus/audio.py", "representation", "models.py", "weights.py", "training/phones.py"),
    *("evaluation/signal.py", "evaluation/frame_targets.py", "study/probe_features.py"),
)
PROBE_CODE = ("evaluation/probing.py", "evaluation/bootstrap.py", "evaluation/statistics.py", "study/probe_plan.py")
DIGITS = 6


class Probing:
    """Places, keys and tasks of the probes of one profile.

    Args:
        layout: of the profile; its seed is that of the intervals, its models are probed.
        n_bootstrap: draws behind every interval.

    Raises:
        ProfileError: the profile has no emotional corpus.
    """

    def __init__(self, layout: Layout, *, n_bootstrap: int = 1000):
        self.layout, self.n_bootstrap = layout, n_bootstrap
        self.folder = layout.profile.work / "probing"
        self.parts = _parts(layout.profile)
        self._codes = _codes()

    def has_data(self) -> bool:
        """Whether every data directory that the probes read is there."""
        return all((path / "wav.scp").is_file() for path in self.parts.values())

    def require(self) -> None:
        """Raise ProfileError without the data, ModelError without a model."""
        if not self.has_data():
            raise ProfileError(f"profile {self.layout.profile.name}: no data to probe; {self.layout.profile.missing}")
        if missing := self.missing_models():
            raise ModelError(f"no model {missing[0]} in {self.layout.models.folder}: emotrace train {missing[0]}")

    def missing_models(self) -> list[str]:
        return sorted(set(FRONT_END_MODELS) - set(self.layout.models.names()))

    def require_unchanged_code(self) -> None:
        """Raise CodeChangedError when the code was edited since this was made: workers may have run either."""
        if _codes() != self._codes:
            raise CodeChangedError("the code changed while the probes were going on; repeat the command")

    def identity(self, *, data: Mapping[str, str] | None = None) -> dict[str, Any]:
        """All that the results depend on, as JSON writes it; ``data`` where the data hashes are known already."""
        return {
            "models": self._model_hashes,
            "data": dict(self._data_hashes if data is None else data),
            "feature_code": self._codes["features"],
            "probe_code": self._codes["probes"],
            "device": self.layout.profile.device,
            "seed": self.layout.seed,
            "n_bootstrap": self.n_bootstrap,
        }

    def feature_tasks(self) -> list[Task]:
        """What the probes read, of every utterance."""
        models, device = self.layout.models.folder, self.layout.profile.device
        return [
            probe_feature_task(u, self._file(part, u.id), models, device, part in self._aligned)
            for part in self.parts
            for u in self._data(part)
        ]

    def probe_tasks(self) -> list[Task]:
        """One line of the results each, in the order of the results."""
        folder = self.folder / f"lines-{digest(self.identity())[:16]}"
        materials = {split: self._material(split) for split in Split}
        return [
            probe_task(representation, target, materials[target.split], folder, self.layout.seed, self.n_bootstrap)
            for target in TARGETS
            for representation in target.representations
        ]

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
        return self.layout.data(self.parts[part])

    def _file(self, part: str, utterance: str) -> Path:
        aligned, models, data = part in self._aligned, self._model_hashes, self._data_hashes[part]
        key = digest([self._codes["features"], aligned, models, data])[:16]
        return self.folder / f"{part}-{key}" / f"{quote(utterance, safe='')}.safetensors"

    @cached_property
    def _model_hashes(self) -> dict[str, str | None]:
        there = self.layout.models.names()
        return {name: self.layout.models.sha256(name) if name in there else None for name in FRONT_END_MODELS}

    @cached_property
    def _data_hashes(self) -> dict[str, str]:
        return {part: self._data(part).content_hash() for part in self.parts}


def run_probing(
    layout: Layout,
    *,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    rerun_stale: bool = True,
    n_bootstrap: int = 1000,
) -> bool:
    """Probe every representation of the profile where that is not recorded yet; whether anything was done.

    Killed, it resumes; no result depends on the workers or on the order.

    Args:
        jobs: worker processes of this machine.
        scheduler: instead of those, the dask cluster behind this address or scheduler file.
        rerun_stale: probe again where what is recorded was made with other code, models or data.

    Raises:
        ProfileError: the data is not there, or another process runs this profile.
        ModelError: a model is not there.
        TaskError: an utterance or a probe failed; the message names it.
        CodeChangedError: the code was edited meanwhile.
    """
    settled = ("done",) if rerun_stale else ("done", "stale")
    if probing_state(layout, n_bootstrap=n_bootstrap).state in settled:
        return False
    probing, started = Probing(layout, n_bootstrap=n_bootstrap), time.monotonic()
    probing.require()
    with running(layout, jobs, scheduler) as workers:
        workers.run(probing.feature_tasks(), "layers of every utterance")
        tasks = probing.probe_tasks()
        workers.run(tasks, "probes")
    probing.require_unchanged_code()
    text, own = assembled(tasks).round(DIGITS).to_csv(index=False), layout.profile
    _record(own).write(
        lambda path: write_text_atomic(path, text), own.name, probing.identity(), time.monotonic() - started
    )
    return True


def probing_state(layout: Layout, *, n_bootstrap: int = 1000) -> RowState:
    """Where the probing stands: "done", "stale" with what differs, "partial" or "missing".

    Without the data, what is recorded is judged by everything else.
    """
    probing = Probing(layout, n_bootstrap=n_bootstrap)
    with_data = probing.has_data()
    state = _record(layout.profile).state(lambda own: probing.identity(data=None if with_data else own["data"]))
    if state is not None:
        return state
    if not probing.has_data() or probing.missing_models():
        return RowState("probing", "missing")
    tasks = [*probing.feature_tasks(), *probing.probe_tasks()]
    done = sum(task.output.exists() for task in tasks)
    return RowState("probing", "partial" if done else "missing", files=done, total=len(tasks))


def read_probing(profile: Profile) -> pd.DataFrame:
    """The recorded results: columns representation, target, probe, score, estimate, low, high, interval_over, baseline,
    n_train, n_test; one line per representation and target.

    Raises ProfileError where none are recorded.
    """
    if read_probing_provenance(profile) is None:
        raise ProfileError(
            f"no probing of profile {profile.name} is recorded; run: emotrace probe --profile {profile.name}"
        )
    table = pd.read_csv(profile.results / RESULTS)
    return table.assign(representation=pd.Categorical(table["representation"], REPRESENTATIONS, ordered=True))


def probing_beside(profiles: Sequence[Profile]) -> pd.DataFrame:
    """`read_probing` of every profile that has recorded results, with a column panel ("scale: frame by frame").

    Raises ProfileError where none has.
    """
    recorded = [profile for profile in profiles if read_probing_provenance(profile) is not None] or profiles[:1]
    tables = [read_probing(profile).assign(profile=profile.name) for profile in recorded]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(panel=table["profile"] + ": " + table["probe"])


def read_probing_provenance(profile: Profile) -> dict[str, Any] | None:
    """What the recorded results were made with; None where they are absent or incomplete."""
    return _record(profile).read_provenance()


def _record(profile: Profile) -> Record:
    return Record(profile.results / RESULTS)


def _parts(profile: Profile) -> dict[str, Path]:
    """The data directories that the probes read, by what they are for; reading: where its training part lies beside."""
    corpora = {corpus.name: corpus.path for corpus in profile.corpora}
    if "emotional" not in corpora:
        raise ProfileError(f"profile {profile.name} has no emotional corpus to probe")
    parts = {"emotional": corpora["emotional"]}
    if profile.ser_training is not None:
        parts["training"] = profile.ser_training
    if "read" in corpora and corpora["read"].name == "test":
        parts |= {"read-train": corpora["read"].with_name("train"), "read-test": corpora["read"]}
    return parts


def _codes() -> dict[str, str]:
    return {"features": code_version(FEATURE_CODE), "probes": code_version(PROBE_CODE)}
