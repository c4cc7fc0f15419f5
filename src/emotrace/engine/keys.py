"""The key of a result: what computed it, component by component, and nothing else.

Every intermediate file lies under a key of all that it depends on. So a file that exists is right and is never made
again: an interrupted run continues, a change of the evaluation leaves the audio, and a change of one model or of one
component's code only touches the rows that use it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from emotrace.anonymizer.draws import Selection
from emotrace.corpus.datadir import DataDir
from emotrace.corpus.files import file_sha256
from emotrace.engine.code import code_digest, digest
from emotrace.engine.provenance import CodeChangedError
from emotrace.engine.workers import NATIVE
from emotrace.evaluation import SER
from emotrace.paths import MODELS, WORK
from emotrace.pipeline.effects import EFFECTS
from emotrace.pipeline.measures import MEASURES, Measure, Measurement, Recognisers, Rendering
from emotrace.pipeline.rows import Row
from emotrace.representation import STREAMS
from emotrace.representation.spec import StreamSpec
from emotrace.vocoder import VOCODERS
from emotrace.weights import ModelFolder

READING = "emotrace.representation.features:FeatureCache"  # of every stream
RENDERING, MEASURING = "emotrace.pipeline.pipeline:write_rendering", "emotrace.pipeline.measures:write_measurement"
ANONYMISING, CHANGING = (f"emotrace.pipeline.waveforms:write_{name}" for name in ("waveform", "effect"))
TABLES = tuple(
    f"emotrace.pipeline.results:{name}" for name in ("utterance_lines", "trial_lines", "joined", "write_parquet")
)
Component = dict[str, Any]
IN_PLACE = "in place"  # digest of what stands for a recogniser whose packages are not installed; see `emotrace.light`


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all rows of a run have in common."""

    work: Path = WORK  #: folder of intermediate audio, features and measurements
    models: Path = MODELS
    selection: Selection = Selection()  #: how pseudo-speakers are drawn
    seed: int = 0  #: 0 is the selection's own draw; another number draws the pseudo-speakers anew
    recognisers: Recognisers = Recognisers()
    device: str = "cpu"  #: where the networks of the rows run
    kernels: str = NATIVE  #: which of `workers.KERNELS` compute; portable ones agree on CPUs of other makers

    @property
    def drawn(self) -> Selection:
        """The selection that the seed makes."""
        return self.selection if self.seed == 0 else self.selection.invocation(str(self.seed))


class Keys:
    """Keys and places of one setting. Components are looked at once: a later edit of the code shows at the end.

    ``data(path)`` is a data directory, ``data_hash(path)`` the hash of its content; each is read once.
    """

    def __init__(self, setting: Setting):
        self.setting, self.models = setting, ModelFolder(setting.models)
        self.data = cache(DataDir.read)
        self.data_hash = cache(lambda path: self.data(path).content_hash())
        self._model_hash = cache(self.models.sha256)
        self._codes: dict[tuple[Any, ...], str] = {}

    def code(self, *things: Any) -> str:
        """`code_digest`, taken once."""
        if things not in self._codes:
            self._codes[things] = code_digest(*things)
        return self._codes[things]

    def require_unchanged_code(self) -> None:
        """Raise CodeChangedError when the code was edited since the first look: workers may have run either."""
        if any(code_digest(*things) != found for things, found in self._codes.items()):
            raise CodeChangedError("the code changed while the run was going on; repeat the command")

    def making(self, row: Row) -> dict[str, Component]:
        """The components that make a row's audio, by name: code and weights of each."""
        found: dict[str, Component] = {}
        if row.effect:
            found[f"effect {row.effect}"] = self._effect(row.effect)
        if row.ir is None:
            return found | self._anonymizer(row, ANONYMISING)
        found["rendering"] = {"code": self.code(RENDERING)}
        for spec in row.streams:
            kind = STREAMS.find(spec.name)
            found[f"stream {spec.name}"] = self._component(kind, kind.models, _files(kind))
        if row.ir.codebook:
            found[f"codes {row.ir.post}"] = self._weights([row.ir.codebook])
        found |= self._anonymizer(row)
        kind = VOCODERS.find(row.vocoder)
        found[f"vocoder {row.vocoder}"] = self._component(kind, kind.models(row.decoder), kind.files())
        return found

    def measuring(self, measures: Iterable[Measure]) -> dict[str, Component]:
        """The components that measure, and those that make tables of it, by name."""
        measures, recognisers = frozenset(measures), self.setting.recognisers
        found = {f"measure {taken}": self._measurement(taken) for taken in recognisers.measurements(measures)}
        if Measure.EMOTION in measures:
            found |= {f"emotion recogniser {name}": self._coded(SER.find(name)) for name in recognisers.ser}
        if Measure.SPEAKER in measures and recognisers.attacker:
            from emotrace.evaluation.attackers import BACKENDS  # loads scikit-learn

            found[f"attacker {recognisers.attacker}"] = {"code": self.code(BACKENDS.find(recognisers.attacker))}
        return found | {"tables": {"code": self.code(*TABLES)}}

    def selection(self, row: Row) -> dict[str, Any] | None:
        """What of the selection matters for a row, as JSON can write it."""
        if not row.anonymizer:
            return None
        chosen = asdict(self.setting.drawn)
        return {name: chosen[name] for name in row.anonymizers.find(row.anonymizer).settings}

    def missing_models(self, rows: Iterable[Row]) -> list[str]:
        """Names of the model folders that rows need and that are not there."""
        return sorted({name for row in rows for name in self.models_of(row)} - set(self.models.names()))

    def models_of(self, row: Row) -> tuple[str, ...]:
        """Names of the model folders that a row needs."""
        names = [name for part in self.making(row).values() for name in part.get("weights", {})]
        return tuple(name for name in names if not name.startswith("/"))

    def streams(self, row: Row, data: Path) -> dict[StreamSpec, str]:
        """For every stream that a row reads the key of its files of a data directory."""
        return {spec: self.stream(spec, data) for spec in row.streams}

    def stream(self, spec: StreamSpec, data: Path) -> str:
        """The key of a stream of a data directory."""
        kind = STREAMS.find(spec.name)
        return self._short([self.code(READING), self._component(kind, kind.models, _files(kind)), self.data_hash(data)])

    def measurement(self, taken: Measurement) -> str:
        """The key of a measurement, whatever the audio."""
        return self._short([self._measurement(taken)])

    def rendering(
        self, row: Row, corpus: str, path: Path, measures: Iterable[Measure] = (), transcribed: Iterable[str] = ()
    ) -> Rendering:
        """A data directory as a row renders it, with the places of its audio and measurements.

        Where the row anonymises and speakers are verified, the enrolment is made in a separate invocation.
        """
        data, measures = self.data(path), frozenset(measures)
        key = self._short([row.configuration(), self.selection(row), self.making(row), self.data_hash(path)])
        folder = self.setting.work / row.name / f"{corpus}-{key}"
        audio = {u.id: u.path if row.recorded else folder / "wav" / f"{u.id}.flac" for u in data}
        apart = data.enrolment if row.anonymizer and data.trials and Measure.SPEAKER in measures else ()
        enrolment = {name: folder / "enrolment" / f"{name}.flac" for name in apart}
        keys = {taken: self.measurement(taken) for taken in self.setting.recognisers.measurements(measures)}
        return Rendering(row.name, corpus, data, audio, folder, keys, measures, frozenset(transcribed), enrolment)

    def _short(self, parts: list[Any]) -> str:
        """The first digits of the digest of what files depend on, the kernels included unless they are the native."""
        kernels = [] if self.setting.kernels == NATIVE else [self.setting.kernels]
        return digest([*parts, self.setting.device, *kernels])[:16]

    def _component(self, kind: type, models: Iterable[str] = (), files: Sequence[Path] = ()) -> Component:
        return {"code": self.code(kind)} | self._weights(models, files)

    def _weights(self, models: Iterable[str] = (), files: Sequence[Path] = ()) -> Component:
        """Hashes of the weights, by model folder, or "/file" where they lie elsewhere; None where they are missing."""
        there = self.models.names()
        found = {name: self._model_hash(name) if name in there else None for name in models}
        common = Path(os.path.commonpath([path.parent for path in files])) if files else Path()
        for path in files:
            found[f"/{path.relative_to(common).as_posix()}"] = file_sha256(path)
        return {"weights": found} if found else {}

    def _measurement(self, taken: Measurement) -> Component:
        made = [feature.function for _, feature in taken.features]
        names = {"features": [name for name, _ in taken.features]} if taken.features else {}
        coded = self._coded(taken.backend, MEASURING, MEASURES.find(taken.measure), further=made)
        return coded | names | self._weights(files=_files(taken.backend))

    def _coded(self, backend: Any, *before: Any, further: Sequence[Any] = ()) -> Component:
        """The digest of a recogniser's code, with other code; what stands for another has the other's and its own."""
        usual = getattr(backend, "same_as", backend)
        code = self.code(*before, *([usual] if usual else []), *further)
        return {"code": code} | ({IN_PLACE: self.code(backend)} if usual is not backend else {})

    def _anonymizer(self, row: Row, *further: str) -> dict[str, Component]:
        """The component that replaces a row's speaker, with ``further`` code, by name; none where nothing does."""
        if not row.anonymizer:
            return {}
        kind = row.anonymizers.find(row.anonymizer)
        return {f"anonymizer {row.anonymizer}": {"code": self.code(*further, kind)} | self._weights(kind.models)}

    def _effect(self, name: str) -> Component:
        effect = EFFECTS.find(name)
        if isinstance(effect, partial):
            return {"code": self.code(CHANGING, effect.func), "amounts": dict(effect.keywords)}
        return {"code": self.code(CHANGING, effect)}


def _files(kind: type | None) -> tuple[Path, ...]:
    """Weight files of a recogniser, or of a stream that has some; none where a released checkpoint is not there."""
    try:
        return kind.files() if hasattr(kind, "files") else ()
    except ValueError:  # a CheckpointError: the recogniser or stream itself will say what is missing
        return ()
