"""What a run would do, how long, and how much disk: from the files that are missing and from measured constants."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import soundfile

from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.engine.runner import state_of
from emotrace.pipeline.measures import Measure
from emotrace.pipeline.pipeline import Parts
from emotrace.pipeline.rows import ORIGINAL, Row
from emotrace.study.profiles import Profile
from emotrace.study.run import RowWork, works

# Core-seconds per second of audio, one thread of a 2-core x86-64 virtual machine: of a task by its kind, of a stream.
CORE_SECONDS = {
    "effect": 0.01,
    "mcadams": 0.06,
    "universal": 0.63,
    "two-stage": 0.65,
    "joint": 0.65,
    "unified": 0.05,
    str(Measure.WORDS): 0.15,
    str(Measure.SPEAKER): 0.02,
    str(Measure.EMOTION): 0.03,
    str(Measure.NATURALNESS): 0.20,
    str(Measure.ACOUSTICS): 0.02,
}
STREAM_SECONDS = {"hubert": 0.03, "soft": 0.04, "f0": 0.08, "ecapa": 0.02}
OTHER_SECONDS = 0.01  # of a task or stream that nobody has measured
AUDIO_BYTES = 18_000  # FLAC, per second
STREAM_BYTES = 32_000  # per second and stream
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


def make_plan(profile: Profile, rows: Sequence[Row]) -> Plan:
    """The plan for some rows. What several rows share is counted with the first. Starts nothing."""
    missing, found = [], works(profile, rows)
    if not profile.has_data():
        missing.append(f"data: {profile.missing}")
    if found and (models := found[0].keys.missing_models(rows)):
        missing.append(f"models {', '.join(models)}: emotrace train {models[0] if len(models) == 1 else 'all'}")
    planned: set[Path] = set()
    return Plan(pd.DataFrame([_line(work, planned) for work in found]), tuple(missing))


def _line(work: RowWork, planned: set[Path]) -> dict[str, object]:
    state, data = state_of(work).state, []
    if work.profile.has_data():
        data = [work.keys.data(corpus.path) for corpus in work.corpora]
    line = {"row": work.name, "state": state, "utterances": sum(map(len, data))}
    line |= {"audio_minutes": sum(map(_minutes, data), 0.0), "core_minutes": 0.0, "disk_mb": 0.0}
    for file, core_seconds, size in _files(work) if data and state != "done" else ():
        if file not in planned and not file.exists():
            planned.add(file)
            line["core_minutes"] += core_seconds / 60
            line["disk_mb"] += size / 1e6
    return line


def _files(work: RowWork) -> Iterator[tuple[Path, float, float]]:
    """Every file that a row needs, what it costs in core-seconds, and its size in bytes."""
    for _, tasks in work.stages():
        for task in tasks:
            utterance, parts = task.arguments[:2]
            seconds = _seconds(utterance)
            for spec, _ in parts.keys if isinstance(parts, Parts) and not task.output.exists() else ():
                cost = STREAM_SECONDS.get(spec.name, OTHER_SECONDS)
                yield parts.features.path(utterance, spec), cost * seconds, STREAM_BYTES * seconds
            size = MEASURE_BYTES if task.output.suffix == ".json" else AUDIO_BYTES * seconds
            yield task.output, CORE_SECONDS.get(task.kind, OTHER_SECONDS) * seconds, size


def _seconds(utterance: Utterance) -> float:
    return soundfile.info(utterance.path).duration


def _minutes(data: DataDir) -> float:
    return sum(map(_seconds, data)) / 60


def corpora_table(profile: Profile) -> pd.DataFrame:
    """Columns corpus, utterances, speakers, audio_minutes, transcribed, rows; empty without the data."""
    lines = []
    for corpus in profile.corpora if profile.has_data() else ():
        data = DataDir.read(corpus.path)
        line = {"corpus": corpus.name, "utterances": len(data), "speakers": len(data.speakers)}
        line |= {"audio_minutes": _minutes(data), "transcribed": len(corpus.transcribed(data, ORIGINAL))}
        lines.append(line | {"rows": "all" if corpus.rows is None else len(corpus.rows)})
    return pd.DataFrame(lines)
