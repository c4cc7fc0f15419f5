"""What a run would do, how long, and how much disk: from the files that are missing and from measured constants."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import soundfile

from emotrace.corpus.datadir import Utterance
from emotrace.study.layout import ORIGINAL, Layout
from emotrace.study.profiles import Corpus, Measure
from emotrace.pipeline.rows import Route, Row
from emotrace.study.runner import row_state
from emotrace.pipeline.pipeline import needs_features
from emotrace.engine.workers import Task

# Core-seconds per second of audio, one thread of a 2-core x86-64 virtual machine.
CORE_SECONDS = {
    "features": 0.20,
    "effect": 0.01,
    Route.COPY: 0.63,
    Route.TWO_STAGE: 0.65,
    Route.UNIFIED: 0.05,
    Measure.WORDS: 0.30,
    Measure.SPEAKER: 0.02,
    Measure.EMOTION: 0.03,
    Measure.ACOUSTICS: 0.08,
}
AUDIO_BYTES = 18_000  # FLAC, per second
FEATURE_BYTES = 160_000  # per second: four layers of 128 channels, soft units, F0, log-mel
MEASURE_BYTES = 2_000  # per file


@dataclass(frozen=True)
class Plan:
    """One line per row, and what stands in the way.

    Attributes:
        rows: columns row, state, utterances, audio_minutes, core_minutes (still to do), disk_mb (still to write).
        missing: what is not there, and how to get it.
    """

    rows: pd.DataFrame
    missing: tuple[str, ...]

    @property
    def core_minutes(self) -> float:
        return float(self.rows["core_minutes"].sum())


def make_plan(layout: Layout, rows: Sequence[Row]) -> Plan:
    """The plan for some rows. Features shared by several rows are counted with the first. Starts nothing."""
    missing = []
    if not layout.profile.has_data():
        missing.append(f"data: {layout.profile.missing}")
    if models := layout.missing_models(rows):
        missing.append(f"models {', '.join(models)}: emotrace train {models[0] if len(models) == 1 else 'all'}")
    planned: set[object] = set()
    return Plan(pd.DataFrame([_line(layout, row, planned) for row in rows]), tuple(missing))


def _line(layout: Layout, row: Row, planned: set[object]) -> dict[str, object]:
    state = row_state(layout, row)
    line = {"row": row.name, "state": state.state, "utterances": 0, "audio_minutes": 0.0}
    line |= {"core_minutes": 0.0, "disk_mb": 0.0}
    if not layout.profile.has_data():
        return line
    for corpus in layout.corpora(row):
        data = layout.data(corpus.path)
        line["utterances"] += len(data)
        line["audio_minutes"] += sum(map(_seconds, data)) / 60
    if state.state != "done":
        core_seconds, size = _remaining(layout, row, planned)
        line |= {"core_minutes": core_seconds / 60, "disk_mb": size / 1e6}
    return line


def _remaining(layout: Layout, row: Row, planned: set[object]) -> tuple[float, float]:
    """Core-seconds and bytes of the files that a row still needs and that no earlier row makes."""
    kinds = [(task, "features") for task in (layout.feature_tasks([row]) if needs_features(row) else [])]
    kinds += [(task, row.route) for task in layout.earlier_tasks(row)]
    kinds += [(task, "effect" if row.effect else row.route) for task in layout.synthesis_tasks(row)]
    kinds += [(task, task.arguments[0]) for task in (*layout.measure_tasks(row), *layout.base_tasks(row))]
    core_seconds = size = 0.0
    for task, kind in kinds:
        if task.output in planned or task.output.exists():
            continue
        planned.add(task.output)
        seconds = _seconds(_utterance(task))
        core_seconds += CORE_SECONDS[kind] * seconds
        per_second = {"features": FEATURE_BYTES, row.route: AUDIO_BYTES, "effect": AUDIO_BYTES}.get(kind, 0)
        size += per_second * seconds or MEASURE_BYTES
    return core_seconds, size


def _utterance(task: Task) -> Utterance:
    return next(argument for argument in task.arguments if isinstance(argument, Utterance))


def _seconds(utterance: Utterance) -> float:
    return soundfile.info(utterance.path).duration


def corpora_table(layout: Layout) -> pd.DataFrame:
    """Columns corpus, utterances, speakers, audio_minutes, transcribed, rows; empty without the data."""
    if not layout.profile.has_data():
        return pd.DataFrame()
    return pd.DataFrame([_corpus_line(layout, corpus) for corpus in layout.profile.corpora])


def _corpus_line(layout: Layout, corpus: Corpus) -> dict[str, object]:
    data = layout.version(ORIGINAL, corpus).original
    return {
        "corpus": corpus.name,
        "utterances": len(data),
        "speakers": len(data.speakers),
        "audio_minutes": sum(map(_seconds, data)) / 60,
        "transcribed": len(corpus.transcribed(data, ORIGINAL)),
        "rows": "all" if corpus.rows is None else len(corpus.rows),
    }
