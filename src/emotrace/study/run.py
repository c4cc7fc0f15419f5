"""The study: for every row, evaluate(data, anonymise(data, row)), keyed, resumable, recorded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from emotrace.engine.code import digest
from emotrace.engine.keys import IN_PLACE, Keys
from emotrace.engine.runner import Record, RunError, Stages, State, run, state_of
from emotrace.engine.workers import DEFAULT_JOBS
from emotrace.pipeline.measures import Measure, Rendering
from emotrace.pipeline.results import (
    TRIALS,
    Training,
    joined,
    trial_lines,
    utterance_lines,
    utterance_schema,
    write_parquet,
)
from emotrace.pipeline.rows import ORIGINAL, Row
from emotrace.study.profiles import Corpus, Profile
from emotrace.weights import ModelError

TABLES = ("utterances.parquet", "trials.parquet")
LEARNED_FROM = "ser-training"  # the corpus of the originals that the recognisers of emotion learn from


class RowWork:
    """One row of a profile, as the engine runs and records it."""

    def __init__(self, profile: Profile, row: Row, keys: Keys | None = None):
        self.profile, self.row, self.keys = profile, row, keys or Keys(profile)

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def folder(self) -> Path:
        """Results of the row; a row whose pseudo-speakers depend on the seed has one folder per seed."""
        suffix = f"-seed{self.profile.seed}" if self.redrawn else ""
        return self.profile.results / f"{self.row.name}{suffix}"

    @property
    def redrawn(self) -> bool:
        """Whether its pseudo-speakers are drawn anew."""
        return bool(self.row.anonymizer and self.profile.seed)

    @property
    def record(self) -> Record:
        return Record(self.folder / "provenance.json", tuple(self.folder / name for name in TABLES))

    @property
    def corpora(self) -> list[Corpus]:
        """The corpora of the profile that the row is run on; a redrawn one as a row that is not in full."""
        found = [corpus for corpus in self.profile.corpora if corpus.includes(self.row)]
        return [replace(corpus, in_full=()) for corpus in found if corpus.redrawn] if self.redrawn else found

    def identity(self, recorded: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if recorded is None:
            self._require_data()
        known = recorded or {}
        measures = frozenset().union(*(corpus.measures_of(self.row) for corpus in self.corpora))
        components = self.keys.making(self.row) | self.keys.measuring(measures)
        return {
            "row": self.row.configuration(),
            "components": _with_known_weights(components, known.get("components", {})),
            "selection": self.keys.selection(self.row),
            "corpora": {corpus.name: self._rules(corpus, known) for corpus in self.corpora},
            "ser_training": self._training_hash(known),
            "device": self.profile.device,
            "kernels": self.profile.kernels,
        }

    def _rules(self, corpus: Corpus, known: Mapping[str, Any]) -> dict[str, Any]:
        """What is measured of a corpus, on which content: its hash, and which utterances are transcribed."""
        rules: dict[str, Any] = {"measures": sorted(corpus.measures_of(self.row))}
        rules |= {"by_fold": True} if corpus.by_fold else {}
        if not self.profile.has_data():
            there = known.get("corpora", {}).get(corpus.name, {})
            return rules | {name: there.get(name) for name in ("data", "transcribed")}
        transcribed = sorted(corpus.transcribed(self.keys.data(corpus.path), self.row))
        return rules | {"data": self.keys.data_hash(corpus.path), "transcribed": digest(transcribed)[:16]}

    def _training_hash(self, known: Mapping[str, Any]) -> str | None:
        if self.profile.ser_training is None:
            return None
        return self.keys.data_hash(self.profile.ser_training) if self.profile.has_data() else known.get("ser_training")

    def _require_data(self) -> None:
        if not self.profile.has_data():
            raise RunError(f"profile {self.profile.name}: the data is not there; {self.profile.missing}")

    def require(self) -> None:
        self._require_data()
        if missing := self.keys.missing_models([self.row]):
            there = ", ".join(self.keys.models.names()) or "none"
            raise ModelError(
                f"no model {', '.join(missing)} in {self.keys.models.folder} (there: {there}); "
                f"train it (emotrace train {missing[0]}) or choose rows and a layer whose models are there"
            )

    def rendering(self, corpus: Corpus, row: Row | None = None) -> Rendering:
        """A corpus as the row renders it, or another row."""
        row = row or self.row
        transcribed = corpus.transcribed(self.keys.data(corpus.path), row)
        return self.keys.rendering(row, corpus.name, corpus.path, corpus.measures_of(row), transcribed)

    @property
    def training(self) -> Rendering | None:
        """The originals that the recognisers of emotion learn from; None where they learn fold by fold."""
        return self._training(ORIGINAL)

    @property
    def rendered_training(self) -> Rendering | None:
        """The same as the row renders them, for matched recognisers and the semi-informed attacker."""
        wanted = self.profile.recognisers.matched or self.profile.recognisers.attacker
        spared = self.redrawn or self.row.name in self.profile.unmatched
        return self._training(self.row) if wanted and not spared else None

    def _training(self, row: Row) -> Rendering | None:
        path, wanted = self.profile.ser_training, (Measure.SPEAKER, Measure.EMOTION)
        return None if path is None else self.keys.rendering(row, LEARNED_FROM, path, wanted)

    def stages(self) -> Stages:
        from emotrace.study.tasks import LEARNED, anonymising, measuring

        recognisers, rendered = self.profile.recognisers, self.rendered_training
        originals = [self.rendering(corpus, ORIGINAL) for corpus in self.corpora]
        originals += [self.training] if self.training else []
        learned = [task for original in originals for task in measuring(original, recognisers, LEARNED)]
        synthesis = []
        for version in (self.row.before, self.row) if self.row.effect else (self.row,):
            for corpus in self.corpora:
                tasks = anonymising(self.keys, version, self.rendering(corpus, version), corpus.path)
                synthesis.append((f"synthesis of {version.name}", tasks))
            if rendered:
                tasks = anonymising(self.keys, version, self._training(version), self.profile.ser_training)
                synthesis.append((f"training speech of {version.name}", tasks))
        measured = [task for corpus in self.corpora for task in measuring(self.rendering(corpus), recognisers)]
        measured += measuring(rendered, recognisers, LEARNED) if rendered else []
        return [("originals", learned), *synthesis, ("measurement", measured)]

    def tables(self) -> Mapping[Path, Callable[[Path], None]]:
        recognisers, utterances, trials = self.profile.recognisers, [], []
        for corpus in self.corpora:
            made, original = self.rendering(corpus), self.rendering(corpus, ORIGINAL)
            training = Training(original, made)  # fold by fold, unless there are other speakers
            if self.training and not corpus.by_fold:
                training = Training(self.training, self.rendered_training)
            utterances.append(utterance_lines(made, training, recognisers))
            trials.append(trial_lines(made, original, training, recognisers))
        first, second = self.record.tables
        return {
            first: partial(write_parquet, lines=joined(utterances), schema=utterance_schema(recognisers)),
            second: partial(write_parquet, lines=joined(trials), schema=TRIALS),
        }

    def about(self) -> dict[str, Any]:
        attackers = pd.read_parquet(self.record.tables[1], columns=["attacker"])["attacker"].unique().tolist()
        return {"row": self.name, "profile": self.profile.name, "seed": self.profile.seed, "attackers": attackers}

    def require_unchanged_code(self) -> None:
        self.keys.require_unchanged_code()


def _with_known_weights(components: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Components whose weights are not there are judged by the recorded ones; what stands for one, by its code."""
    found = {}
    for name, component in components.items():
        recorded = known.get(name, {})
        weights = {
            key: value or recorded.get("weights", {}).get(key) for key, value in component.get("weights", {}).items()
        }
        found[name] = component | ({"weights": weights} if weights else {})
        if known and IN_PLACE not in recorded:
            found[name].pop(IN_PLACE, None)
    return found


def works(profile: Profile, rows: Sequence[Row]) -> list[RowWork]:
    """The works of some rows, which look at code, models and data together, once."""
    keys = Keys(profile)
    return [RowWork(profile, row, keys) for row in rows]


def run_rows(
    profile: Profile, rows: Sequence[Row], *, jobs: int = DEFAULT_JOBS, scheduler: str | None = None
) -> list[str]:
    """Run the rows that are not done and return their names; arguments and errors as of `engine.runner.run`."""
    return run(works(profile, rows), profile.work, jobs=jobs, scheduler=scheduler, kernels=profile.kernels)


def row_states(profile: Profile, rows: Sequence[Row]) -> list[State]:
    """Where rows stand. Without the data, or a model, recorded results are judged by everything else."""
    return [state_of(work) for work in works(profile, rows)]


def read_provenance(profile: Profile, row: Row) -> dict[str, Any] | None:
    """The provenance of a row's recorded results; None where they are absent or incomplete."""
    return RowWork(profile, row).record.read()
