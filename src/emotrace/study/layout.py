"""What a study run consists of: which files stand between data and results, and the keys of what each depends on.

Every intermediate file lies under a key of all that it depends on. So a file that exists is right and is never made
again: an interrupted run continues, a change of the evaluation leaves the audio, and a change of one model only
touches its rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotrace.corpus.datadir import DataDir
from emotrace.models import DEFAULT as DEFAULT_MODELS
from emotrace.models import load_models
from emotrace.study.measure import Version, measure_keys, measure_tasks
from emotrace.study.profiles import Backends, Corpus, Measure, Profile
from emotrace.study.provenance import EVALUATION_CODE, SYNTHESIS_CODE, CodeChangedError, code_version, digest
from emotrace.study.rows import Row, select_rows
from emotrace.study.synthesis import (
    FRONT_END_MODELS,
    SHIPPED_LAYERS,
    Studio,
    effect_tasks,
    feature_tasks,
    needs_features,
    selection_configuration,
    synthesis_tasks,
    used_models,
)
from emotrace.study.workers import NATIVE, Task

ORIGINAL = select_rows(["original"])[0]
TRAINING_MEASURES = frozenset({Measure.SPEAKER, Measure.EMOTION})


class Layout:
    """Places, keys and tasks of one profile.

    Args:
        profile: corpora, selection, folders.
        seed: 0 is the study's own selection; another number draws the pseudo-speakers anew.
        models: folder of the models, instead of the profile's.
        backends: the recognisers, instead of the profile's.
    """

    def __init__(
        self, profile: Profile, *, seed: int = 0, models: Path | None = None, backends: Backends | None = None
    ):
        self.profile, self.seed = profile, seed
        self.models = load_models(models or profile.models or DEFAULT_MODELS)
        self.backends = backends or profile.backends
        self.selection = profile.selection if seed == 0 else profile.selection.invocation(str(seed))
        # at once, so that the keys are those of the code that is loaded and not of a later edit
        self._codes, self._measure_keys = _codes(), measure_keys(self.backends)
        self._data: dict[Path, DataDir] = {}
        self._hashes: dict[Path, str] = {}

    def of(self, profile: Profile) -> "Layout":
        """The layout of another profile, with the same seed, models and recognisers."""
        return Layout(profile, seed=self.seed, models=self.models.folder, backends=self.backends)

    def results(self, row: Row) -> Path:
        """Results of a row; a row whose pseudo-speakers depend on the seed has one folder per seed."""
        suffix = f"-seed{self.seed}" if row.anonymise and self.seed else ""
        return self.profile.results / f"{row.name}{suffix}"

    def corpora(self, row: Row) -> list[Corpus]:
        return [corpus for corpus in self.profile.corpora if corpus.includes(row)]

    def data(self, path: Path) -> DataDir:
        """A data directory, read once."""
        if path not in self._data:
            self._data[path] = DataDir.read(path)
        return self._data[path]

    def identity(self, row: Row, *, data: dict[str, str] | None = None) -> dict[str, Any]:
        """All that a row's results depend on, as JSON writes it; ``data`` where the data hashes are known already."""
        return {
            "row": row.configuration(),
            "corpora": {corpus.name: _rules(corpus, row) for corpus in self.corpora(row)},
            "selection": selection_configuration(row, self.selection),
            "models": self._model_hashes(used_models(row)),
            "synthesis_code": None if row.recorded else self._codes["synthesis"],
            "evaluation_code": self._codes["evaluation"],
            "backends": asdict(self.backends),
            "device": self.profile.device,
            "ser_training": self.profile.ser_training is not None,
            "data": self._data_hashes(row) if data is None else data,
        } | self._kernels()

    def require_unchanged_code(self) -> None:
        """Raise CodeChangedError when the code was edited since this layout was made: workers may have run either."""
        if _codes() != self._codes or measure_keys(self.backends) != self._measure_keys:
            raise CodeChangedError("the code changed while the run was going on; repeat the command")

    def missing_models(self, rows: Iterable[Row]) -> list[str]:
        """Names of the models that rows need and that are not there."""
        front_ends = {name for row in rows if needs_features(row) for name in FRONT_END_MODELS}
        used = {name for row in rows for name in used_models(row)}
        return sorted((front_ends | used) - set(self.models.names()))

    def _kernels(self) -> dict[str, str]:
        """Kernels that are not the native ones, which is what a record without a word of them had."""
        return {} if self.profile.kernels == NATIVE else {"kernels": self.profile.kernels}

    def _model_hashes(self, names: Iterable[str]) -> dict[str, str | None]:
        there = self.models.names()
        return {name: self.models.sha256(name) if name in there else None for name in names}

    def _data_hashes(self, row: Row) -> dict[str, str]:
        hashes = {corpus.name: self._hash(corpus.path) for corpus in self.corpora(row)}
        training = self.profile.ser_training
        return hashes if training is None else hashes | {"ser training": self._hash(training)}

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = self.data(path).content_hash()
        return self._hashes[path]

    def own_tasks(self, row: Row) -> list[Task]:
        """The files that only this row needs: its audio and its measurements."""
        return [*self.synthesis_tasks(row), *self.measure_tasks(row)]

    def feature_tasks(self, rows: Sequence[Row]) -> list[Task]:
        """Features of every utterance that the rows start from, each once."""
        found = {
            task.output: task
            for row in rows
            if needs_features(row)
            for corpus in self.corpora(row)
            for task in feature_tasks(corpus.name, self.data(corpus.path), self.studio(row, corpus))
        }
        return list(found.values())

    def synthesis_tasks(self, row: Row) -> list[Task]:
        """Audio of every utterance, and of the enrolment in a separate invocation where the row anonymises."""
        if row.recorded:
            return []
        if row.effect:
            return self._effect_tasks(row)
        tasks = []
        for corpus in self.corpora(row):
            data, folder, studio = self.data(corpus.path), self._audio_folder(row, corpus), self.studio(row, corpus)
            tasks += synthesis_tasks(row, data, data, folder / "wav", studio, self.selection)
            enrolment = [data[name] for name in self._separate_enrolment(row, corpus)]
            again = self.selection.invocation("enrolment")
            tasks += synthesis_tasks(row, data, enrolment, folder / "enrolment", studio, again)
        return tasks

    def earlier_tasks(self, row: Row) -> list[Task]:
        """The audio that a row's effect is applied to."""
        return self.synthesis_tasks(row.before) if row.effect else []

    def _effect_tasks(self, row: Row) -> list[Task]:
        tasks = []
        for corpus in self.corpora(row):
            before, after = self.version(row.before, corpus), self._audio_folder(row, corpus)
            tasks += effect_tasks(row, before.original, before.audio, after / "wav")
            tasks += effect_tasks(row, before.original, before.enrolment, after / "enrolment")
        return tasks

    def measure_tasks(self, row: Row) -> list[Task]:
        return [
            task for corpus in self.corpora(row) for task in measure_tasks(self.version(row, corpus), self.backends)
        ]

    def base_tasks(self, row: Row) -> list[Task]:
        """What a row needs of the originals: features for the emotion recognisers, embeddings for the attackers."""
        versions = [self.version(ORIGINAL, corpus) for corpus in self.corpora(row)]
        versions += [self.training_version()] if self.profile.ser_training else []
        return [task for version in versions for task in measure_tasks(version, self.backends, TRAINING_MEASURES)]

    def version(self, row: Row, corpus: Corpus) -> Version:
        """A corpus as a row renders it, with the places of its audio and measurements."""
        data, folder = self.data(corpus.path), self._audio_folder(row, corpus)
        audio = {u.id: u.path if row.recorded else folder / "wav" / f"{u.id}.flac" for u in data}
        enrolment = {name: folder / "enrolment" / f"{name}.flac" for name in self._separate_enrolment(row, corpus)}
        return Version(
            row.name,
            corpus.name,
            data,
            audio,
            folder,
            self._measure_keys,
            corpus.measures_of(row),
            corpus.transcribed(data, row),
            enrolment,
        )

    def training_version(self) -> Version:
        """The originals that the emotion recognisers learn from."""
        corpus = Corpus("ser-training", self.profile.ser_training, TRAINING_MEASURES)
        return self.version(ORIGINAL, corpus)

    def studio(self, row: Row, corpus: Corpus) -> Studio:
        layers = tuple(sorted({*SHIPPED_LAYERS, *([row.ir.layer] if needs_features(row) and row.ir.layer else [])}))
        front_ends = self._model_hashes(FRONT_END_MODELS if needs_features(row) else ())
        parts = [layers, front_ends, self._codes["synthesis"], self._hash(corpus.path), *self._kernels().values()]
        key = digest(parts)[:16]
        folder, device = self.profile.work / "features", self.profile.device
        return Studio(folder, f"{corpus.name}-{key}", self.models.folder, layers, device)

    def _audio_folder(self, row: Row, corpus: Corpus) -> Path:
        parts = [row.configuration(), selection_configuration(row, self.selection)]
        code = None if row.recorded else self._codes["synthesis"]
        parts += [self._model_hashes(used_models(row)), code, self._hash(corpus.path), *self._kernels().values()]
        key = digest(parts)[:16]
        return self.profile.work / row.name / f"{corpus.name}-{key}"

    def _separate_enrolment(self, row: Row, corpus: Corpus) -> tuple[str, ...]:
        data = self.data(corpus.path)
        return data.enrolment if row.anonymise and data.trials and Measure.SPEAKER in corpus.measures else ()


def _codes() -> dict[str, str]:
    return {"synthesis": code_version(SYNTHESIS_CODE), "evaluation": code_version(EVALUATION_CODE)}


def _rules(corpus: Corpus, row: Row) -> dict[str, Any]:
    rules = {"measures": sorted(corpus.measures_of(row)), "transcribed_per_cell": corpus.per_cell(row)}
    return rules | {"neutral_is_read": corpus.neutral_is_read}
