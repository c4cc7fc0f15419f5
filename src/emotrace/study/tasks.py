"""The tasks of the two verbs: files that render an utterance as a row does, and files that measure it."""

from collections.abc import Iterable
from pathlib import Path

from emotrace.engine.keys import Keys
from emotrace.engine.workers import Task
from emotrace.pipeline.effects import EFFECTS
from emotrace.pipeline.measures import Measure, Recognisers, Rendering, write_measurement
from emotrace.pipeline.rows import Row
from emotrace.pipeline.waveforms import write_effect, write_waveform

LEARNED = (Measure.SPEAKER, Measure.EMOTION)
"""What recognisers and attackers need of originals: features to learn from, embeddings to enrol."""


def anonymising(keys: Keys, row: Row, rendering: Rendering, path: Path) -> list[Task]:
    """The audio of a rendering of the data in ``path``: <folder>/wav/<utterance>.flac, and the enrolment's."""
    if row.recorded:
        return []
    data, setting, tasks = rendering.data, keys.setting, []
    if row.effect:
        before = keys.rendering(row.before, rendering.corpus, path, rendering.measures)
        effect = EFFECTS.find(row.effect)
        for old, new in ((before.audio, rendering.audio), (before.enrolment, rendering.enrolment)):
            for name, audio in old.items():
                given = (data[name], effect, audio)
                tasks.append(Task(f"{row.name}, {name}", new[name], write_effect, given, "effect"))
        return tasks
    enrolling, features = setting.drawn.invocation("enrolment"), setting.work / "features" / rendering.corpus
    for selection, audio in ((setting.drawn, rendering.audio), (enrolling, rendering.enrolment)):
        if row.ir is None:
            given = (row.anonymizers.find(row.anonymizer), keys.models, selection)
            for name, output in audio.items():
                task = Task(f"{row.name}, {name}", output, write_waveform, (data[name], *given), row.anonymizer)
                tasks.append(task)
            continue
        from emotrace.pipeline.pipeline import Parts, write_rendering  # loads torch

        parts = Parts.of(row, keys.models, selection, features, keys.streams(row, path), setting.device)
        together = row.anonymizer and selection.level == "speaker"  # one voice for a speaker
        for name, output in audio.items():
            own = tuple(each for each in data if each.speaker == data[name].speaker) if together else ()
            given = (data[name], parts, own)
            tasks.append(Task(f"{row.name}, {name}", output, write_rendering, given, row.vocoder))
    return tasks


def measuring(rendering: Rendering, recognisers: Recognisers, measures: Iterable[Measure] = Measure) -> list[Task]:
    """One file per utterance and measurement, and the enrolment utterances of a separate invocation.

    Of what is measured on the rendering only ``measures``.
    """
    tasks = []
    for taken in recognisers.measurements(rendering.measures & frozenset(measures)):
        files = [(name, rendering.file(taken, name), rendering.audio[name]) for name in rendering.measured(taken)]
        if taken == recognisers.speaker:
            again = sorted(rendering.enrolment.items())
            files += [(name, rendering.enrolment_file(taken, name), audio) for name, audio in again]
        for name, output, audio in files:
            title = f"{rendering.name}, {rendering.corpus}, {taken.measure} of {name}"
            given = (rendering.data[name], taken, audio, recognisers.device)
            tasks.append(Task(title, output, write_measurement, given, str(taken.measure)))
    return tasks
