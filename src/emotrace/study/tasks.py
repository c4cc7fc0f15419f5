"""The tasks of the two verbs: files that render an utterance as a row does, and files that measure it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from emotrace.corpus.datadir import Utterance
from emotrace.engine.keys import Keys
from emotrace.engine.workers import Task
from emotrace.pipeline.effects import EFFECTS
from emotrace.pipeline.measures import Measure, Measurement, Rendering
from emotrace.pipeline.pipeline import Parts, write_effect, write_measurement, write_rendering
from emotrace.pipeline.rows import Row


def anonymising(keys: Keys, row: Row, rendering: Rendering, path: Path) -> list[Task]:
    """The audio of a rendering of the data in ``path``: <folder>/wav/<utterance>.flac, and the enrolment's."""
    if row.recorded:
        return []
    if row.effect:
        before = keys.rendering(row.before, rendering.corpus, path, rendering.measures)
        pairs = ((before.audio, rendering.audio), (before.enrolment, rendering.enrolment))
        return [_effect(row, rendering, name, old[name], new[name]) for old, new in pairs for name in old]
    invocations = (
        (keys.setting.drawn, rendering.audio),
        (keys.setting.drawn.invocation("enrolment"), rendering.enrolment),
    )
    tasks = []
    for selection, audio in invocations:
        streams, device = keys.streams(row, path), keys.setting.device
        parts = Parts.of(row, keys.models, selection, _features(keys, rendering), streams, device)
        tasks += [_rendering(rendering.data[name], parts, output, rendering) for name, output in audio.items()]
    return tasks


def _features(keys: Keys, rendering: Rendering) -> Path:
    return keys.setting.work / "features" / rendering.corpus


def _effect(row: Row, rendering: Rendering, name: str, audio: Path, output: Path) -> Task:
    return Task(
        f"{row.name}, {name}", output, write_effect, (rendering.data[name], EFFECTS.find(row.effect), audio), "effect"
    )


def _rendering(utterance: Utterance, parts: Parts, output: Path, rendering: Rendering) -> Task:
    own: tuple[Utterance, ...] = ()
    if parts.row.anonymizer and parts.selection.level == "speaker":
        own = tuple(each for each in rendering.data if each.speaker == utterance.speaker)
    name = f"{parts.row.name}, {utterance.id}"
    return Task(name, output, write_rendering, (utterance, parts, own), parts.row.vocoder)


def measuring(rendering: Rendering, taken: Iterable[Measurement], speaker: Measurement, device: str) -> list[Task]:
    """One file per utterance and measurement, and the enrolment utterances of a separate invocation.

    ``speaker`` is the measurement that verifies speakers.
    """
    tasks = []
    for measurement in taken:
        names = rendering.measured(measurement)
        files = {name: rendering.file(measurement, name) for name in names}
        tasks += [_measurement(rendering, measurement, name, files[name], rendering.audio, device) for name in names]
        if measurement == speaker:
            again = rendering.enrolment
            files = {name: rendering.enrolment_file(measurement, name) for name in again}
            tasks += [_measurement(rendering, measurement, name, files[name], again, device) for name in sorted(again)]
    return tasks


def _measurement(
    rendering: Rendering, taken: Measurement, name: str, output: Path, audio: Mapping[str, Path], device: str
) -> Task:
    arguments = (rendering.data[name], taken, audio[name], device)
    title = f"{rendering.name}, {rendering.corpus}, {taken.measure} of {name}"
    return Task(title, output, write_measurement, arguments, str(taken.measure))


def learning(keys: Keys, rendering: Rendering) -> list[Task]:
    """What recognisers and attackers need of originals: features to learn from, embeddings to enrol."""
    recognisers = keys.setting.recognisers
    wanted = rendering.measures & {Measure.SPEAKER, Measure.EMOTION}
    return measuring(rendering, recognisers.measurements(wanted), recognisers.speaker, recognisers.device)
