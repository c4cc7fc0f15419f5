"""The two verbs, for any data directory: anonymise it as a row does, evaluate what somebody made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import soundfile

from emotrace.anonymizer.draws import Selection
from emotrace.corpus.datadir import CorpusError, DataDir, refuse_asr_suffix, write_anonymised
from emotrace.corpus.folders import directory_of
from emotrace.corpus.importers.wavs import LABELS
from emotrace.corpus.validate import require_usable_audio
from emotrace.engine.code import digest
from emotrace.engine.keys import Keys, Setting
from emotrace.engine.runner import running
from emotrace.engine.workers import DEFAULT_JOBS
from emotrace.paths import MODELS, WORK
from emotrace.pipeline.measures import Measure, Recognisers, Rendering
from emotrace.pipeline.results import Training, joined, trial_lines, utterance_lines
from emotrace.pipeline.rows import EVERY_ENCODER, ORIGINAL, Row, select_rows
from emotrace.study.results import Results
from emotrace.weights import ModelError

Given = DataDir | Path | str
"""Speech: a data directory, or where it lies."""
SHORTEST_SYNTHESIS = 0.031  # seconds; YAAPT needs 481 samples and HuBERT 400
MOST_SECONDS, WINDOWS = 44.0, "-windows"  # of Whisper's 448 tokens, ten a second; who takes longer speech
LENGTH_TOLERANCE = 0.1  # seconds by which a version may be longer or shorter than its original


def anonymise(
    data: Given,
    row: Row | str,
    models: Path = MODELS,
    *,
    target: Path | str,
    selection: Selection | None = None,
    seed: int = 0,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    work: Path | None = None,
) -> DataDir:
    """Render every utterance of a data directory as a row does; the copy has 16 kHz audio in wav/ and all metadata.

    Interrupted, it resumes: the audio is kept in ``work`` under a key of row, models, code and data.

    Args:
        data: the data directory.
        row: a row, or the name of one of table II (by either encoder) or of McAdams.
        models: folder of the models.
        target: the new data directory.
        selection: how pseudo-speakers are drawn; the study's by default.
        seed: another number draws them anew.
        jobs, scheduler: processes of this machine, or the dask cluster behind an address or a scheduler file.
        work: folder of intermediate files.

    Raises:
        CorpusError: ``data`` is no data directory or has audio that no model takes, ``target`` holds one already, or
            its name ends in something with "asr".
        ValueError: an unknown row, or the original. ModelError: a model is missing. TaskError: an utterance failed.
    """
    from emotrace.study.tasks import anonymising

    row = select_rows([row], rows=EVERY_ENCODER)[0] if isinstance(row, str) else row
    if row.recorded:
        raise ValueError("row original makes no audio; choose another row")
    source, target = _absolute(data), Path(target)
    data = DataDir.read(source)
    refuse_asr_suffix(source.resolve(), target)
    if (target / "wav.scp").exists():
        raise CorpusError(f"{target}: holds a data directory already; remove it or choose another name")
    require_usable_audio(data, shortest=SHORTEST_SYNTHESIS)
    folder = (work or WORK / "anonymize").absolute()
    keys = Keys(Setting(work=folder, models=models.absolute(), selection=selection or Selection(), seed=seed))
    if missing := keys.missing_models([row]):
        raise ModelError(f"no model {missing[0]} in {keys.models.folder}; train it: emotrace train {missing[0]}")
    rendering = keys.rendering(row, source.resolve().name, source)
    with running(folder, jobs, scheduler) as workers:
        workers.run(anonymising(keys, row, rendering, source), row.name)
    return write_anonymised(data, target, rendering.audio)


def evaluate(
    original: Given,
    anonymised: Given | Sequence[Given] | Mapping[str, Given],
    labels: Path | str | None = None,
    recognisers: Recognisers | None = None,
    *,
    training: Given | None = None,
    training_anonymised: Given | Sequence[Given] = (),
    enrolment: Given | None = None,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    work: Path | None = None,
) -> Results:
    """Evaluate anonymised copies of recordings, whoever made them, with whatever files exist.

    Args:
        original: the recordings: a data directory, or a folder of WAV or FLAC files.
        anonymised: one copy of them or several, under the same file names or utterance ids; with names, or called as
            their folders.
        labels: the table that says who speaks, how, and what, in folders that are no data directories: see
            `emotrace labels`; by default labels.csv in the folder of the recordings, or else in each.
        recognisers: who measures; the study's by default.
        training: originals of other speakers for the emotion recognisers; without it, leave-one-fold-out.
        training_anonymised: ``training`` as each system anonymises it, in the order of ``anonymised``: what the matched
            recognisers and the semi-informed attacker learn from. Without ``training`` these learn by folds.
        enrolment: another anonymised copy, made in a separate invocation, that the lazy-informed attacker enrols with;
            without it, the enrolment utterances of the copy itself serve. It goes with a single copy.
        jobs, scheduler, work: as of `anonymise`.

    Returns results whose first row is the original; each further one is a copy, by its name.

    Raises:
        CorpusError: what cannot be evaluated: no folder or table of labels, utterances that differ, audio that is
            unreadable, silent or below 0.4 s.
        TaskError: an utterance cannot be measured.
    """
    from emotrace.study.tasks import LEARNED, measuring

    recognisers, folder = recognisers or Recognisers(), (work or WORK / "evaluate").absolute()
    recognisers.measurements()  # an unknown name is refused before anything is measured
    called = tuple(anonymised) if isinstance(anonymised, Mapping) else None
    copies = list(anonymised.values()) if isinstance(anonymised, Mapping) else _several(anonymised)
    given = original, copies, enrolment, training, _several(training_anonymised)
    data, copies, again, training, learnt = _opened_together(*given, labels=labels, work=folder)
    recognisers = _for_length(recognisers, [data, *copies])
    possible = [possible_measures(data, copy, training is not None) for copy in copies]
    corpus = "emotional" if any(u.emotion for u in data) else "read"
    keys = Keys(Setting(work=folder, recognisers=recognisers))
    measures = frozenset().union(*(measures for measures, _ in possible))
    recorded = keys.rendering(ORIGINAL, corpus, data.path, measures, [u.id for u in data if u.text])
    names = called or names_of([copy.path for copy in copies])
    made = [
        _rendering_of(name, copy, again, replace(recorded, measures=measures), folder)
        for name, copy, (measures, _) in zip(names, copies, possible, strict=True)
    ]
    learned, rendered = None, [None] * len(copies)
    if training is not None:
        learned = keys.rendering(ORIGINAL, "ser-training", training.path, LEARNED)
    if learnt:
        rendered = [_rendering_of(name, copy, None, learned, folder) for name, copy in zip(names, learnt, strict=True)]
    with running(folder, jobs, scheduler) as workers:
        for each in filter(None, (learned, *rendered)):
            workers.run(measuring(each, recognisers, LEARNED), f"training speech, {each.name}")
        for each in (recorded, *made):
            workers.run(measuring(each, recognisers), each.name)
    lines, trials = [], []
    for each, taught in zip((recorded, *made), (learned if learnt else None, *rendered), strict=True):
        known = Training(recorded, each) if learned is None else Training(learned, taught)
        lines.append(utterance_lines(each, known, recognisers))
        trials.append(trial_lines(each, recorded, known, recognisers))
    identity = {  # what the numbers depend on besides the copies' audio, in the words of a row's provenance
        "components": keys.measuring(measures),
        "data": keys.data_hash(data.path),
        "ser_training": None if training is None else keys.data_hash(training.path),
        "recognisers": recognisers,
    }
    rows = (recorded.name, *names)
    said = [(name, note) for name, (_, notes) in zip(names, possible, strict=True) for note in notes]
    notes = tuple(note if len(names) == 1 else f"{name}: {note}" for name, note in said)
    audio = {(each.name, name): path for each in (recorded, *made) for name, path in each.audio.items()}
    told = {"notes": notes, "identity": identity, "audio": audio}
    return Results(joined(lines), joined(trials), rows, "yours", recognisers.ser, **told)


def _opened_together(
    original: Given,
    copies: Sequence[Given],
    enrolment: Given | None,
    training: Given | None,
    learnt: Sequence[Given],
    *,
    labels: Path | str | None,
    work: Path,
) -> tuple[DataDir, list[DataDir], DataDir | None, DataDir | None, list[DataDir]]:
    """The directories of an evaluation, see `evaluate`. Raises CorpusError where they do not fit together."""
    if enrolment is not None and len(copies) != 1:
        raise CorpusError("an enrolment copy belongs to one anonymised copy: evaluate them one by one")
    if learnt and (training is None or len(learnt) != len(copies)):
        raise CorpusError("anonymised training speech goes with its originals, one copy for each system")
    labels = _labels_of(original) if labels is None else Path(labels)
    data = _opened(original, work, labels)
    copies = [_opened(each, work, labels, data) for each in copies]
    again = None if enrolment is None else _opened(enrolment, work, labels, data)
    training = None if training is None else _opened(training, work)
    learnt = [_opened(each, work, like=training) for each in learnt]
    fitting = [(data, other) for other in (*copies, *([again] if again else []))]
    fitting += [(training, other) for other in learnt]
    for recorded, other in fitting:
        _require_same_utterances(recorded, other)
    for each in {each.path: each for each in (data, *(other for _, other in fitting))}.values():
        require_usable_audio(each)
    return data, copies, again, training, learnt


def _for_length(recognisers: Recognisers, directories: Iterable[DataDir]) -> Recognisers:
    """The same, with words by windows of 30 s where a file is longer than faster-whisper takes."""
    seconds = max(soundfile.info(u.path).duration for data in directories for u in data)
    whisper = recognisers.asr.startswith("whisper") and not recognisers.asr.endswith(WINDOWS)
    return replace(recognisers, asr=recognisers.asr + WINDOWS) if whisper and seconds > MOST_SECONDS else recognisers


def _several(given: Given | Sequence[Given]) -> list[Given]:
    """One or several, as a list."""
    return [given] if isinstance(given, Given) else list(given)


def names_of(folders: Sequence[Path]) -> tuple[str, ...]:
    """What tables call anonymised copies: the name of the folder, with that of the folder above where two are equal."""
    folders = [folder.resolve() for folder in folders]
    last, names = [folder.name for folder in folders], []
    for folder in folders:
        above = f"{folder.parent.name}-" if last.count(folder.name) > 1 else ""
        names.append(f"{above}{folder.name}" + " (anonymised)" * (folder.name == ORIGINAL.name))
    if len(set(names)) < len(names):
        raise CorpusError(f"anonymised copies of the same name: {', '.join(sorted(set(names)))}; rename a folder")
    return tuple(names)


def _opened(data: Given, work: Path, labels: Path | None = None, like: DataDir | None = None) -> DataDir:
    """A data directory, or a folder of audio as one, see `directory_of`."""
    return directory_of(_absolute(data), work, labels=labels, like=like)


def _labels_of(original: Given) -> Path | None:
    """The table beside the recordings; None in a data directory, which needs none."""
    folder = _absolute(original)
    return folder / LABELS if (folder / LABELS).is_file() and not (folder / "wav.scp").exists() else None


def _absolute(data: Given) -> Path:
    """Where a data directory lies; a worker may run in another folder."""
    return (data.path if isinstance(data, DataDir) else Path(data)).absolute()


def _rendering_of(name: str, copy: DataDir, again: DataDir | None, recorded: Rendering, work: Path) -> Rendering:
    """A copy that somebody made, with the places of its measurements."""
    hashes = [recorded.data.content_hash(), copy.content_hash(), again.content_hash() if again else None]
    return Rendering(
        name,
        recorded.corpus,
        recorded.data,
        {utterance.id: utterance.path for utterance in copy},
        work / f"{name}-{digest(hashes)[:16]}",
        recorded.keys,
        recorded.measures,
        recorded.transcribed,
        {name: again[name].path for name in recorded.data.enrolment} if again else {},
    )


def _require_same_utterances(data: DataDir, other: DataDir) -> None:
    ours, theirs = ({utterance.id for utterance in one} for one in (data, other))
    for wanted, there, where in ((ours, theirs, other.path), (theirs, ours, data.path)):
        if missing := sorted(wanted - there):
            raise CorpusError(f"{where}: lacks {len(missing)} utterances of the other directory, first '{missing[0]}'")


def possible_measures(data: DataDir, copy: DataDir, training: bool) -> tuple[frozenset[Measure], tuple[str, ...]]:
    """What can be measured with the files that exist, and a sentence for each thing that cannot.

    ``training``: whether the emotion recognisers learn from other speakers.
    """
    emotions = [utterance for utterance in data if utterance.emotion]
    folds = len({utterance.fold for utterance in emotions}) > 1 and all(utterance.fold for utterance in emotions)
    trials = bool(data.trials and data.enrolment)
    several = len({utterance.emotion for utterance in emotions}) > 1
    recognisable = bool(emotions) and (training or (folds and several))
    wanted = {
        Measure.WORDS: any(utterance.text for utterance in data),
        Measure.SPEAKER: trials,
        Measure.EMOTION: recognisable,
        Measure.NATURALNESS: True,
        Measure.ACOUSTICS: _same_lengths(data, copy),
    }
    notes = {
        "no EER: there are no trials or no enrolls file": not trials,
        "no WER: there is no text file": not wanted[Measure.WORDS],
        "no emotion recognition: there is no utt2emo file": not emotions,
        "no emotion recognition: give spk2fold (two folds or more) or --train DIR": several and not recognisable,
        "no emotion recognition: one emotion only, so give --train DIR": bool(emotions) and not (several or training),
        "no acoustics: audio durations differ by more than 0.1 s": not wanted[Measure.ACOUSTICS],
    }
    possible = frozenset(measure for measure, possible in wanted.items() if possible)
    return possible, tuple(note for note, applies in notes.items() if applies)


def _same_lengths(data: DataDir, copy: DataDir) -> bool:
    durations = ((soundfile.info(u.path).duration, soundfile.info(copy[u.id].path).duration) for u in data)
    return all(abs(one - other) <= LENGTH_TOLERANCE for one, other in durations)
