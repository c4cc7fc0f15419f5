"""Any data directory, not only the study's: anonymise it by a row, or evaluate what somebody made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import soundfile

from emotrace.corpus.datadir import CorpusError, DataDir, refuse_asr_suffix, write_anonymised
from emotrace.corpus.files import write_text_atomic
from emotrace.corpus.validate import require_usable_audio
from emotrace.evaluation.acoustics import LENGTH_TOLERANCE
from emotrace.models import DEFAULT as DEFAULT_MODELS
from emotrace.study.assembly import TRIALS, UTTERANCES, References, trial_lines, utterance_lines, write_parquet
from emotrace.study.layout import ORIGINAL, TRAINING_MEASURES, Layout
from emotrace.study.measure import Version, measure_tasks
from emotrace.study.profiles import Corpus, Measure, Profile, Selection
from emotrace.study.provenance import ROOT, digest
from emotrace.study.rows import Route, Row
from emotrace.study.runner import require, running
from emotrace.study.workers import DEFAULT_JOBS

SHORTEST_SYNTHESIS = 0.031  # seconds; YAAPT needs 481 samples and HuBERT 400


def anonymise_directory(
    source: Path,
    target: Path,
    row: Row,
    *,
    seed: int = 0,
    selection: Selection | None = None,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    models: Path = DEFAULT_MODELS,
    work: Path | None = None,
) -> DataDir:
    """Render every utterance of a data directory as ``row`` does; the copy has 16 kHz audio in wav/ and all metadata.

    Interrupted, it resumes: the audio is kept in ``work`` under a key of row, models, code and data. ``jobs`` processes
    of this machine do it, or the dask cluster behind ``scheduler`` (an address or a scheduler file).

    Raises:
        CorpusError: ``source`` is no data directory or has audio that no model takes, ``target`` holds one already, or
            its name ends in something with "asr".
        ValueError: the row is the original. ModelError: a model is missing. TaskError: an utterance failed.
    """
    if row.route is Route.ORIGINAL:
        raise ValueError("row original makes no audio; choose another row")
    source, models = source.absolute(), models.absolute()  # a worker may run in another folder
    data = DataDir.read(source)
    refuse_asr_suffix(source.resolve(), target)
    if (target / "wav.scp").exists():
        raise CorpusError(f"{target}: holds a data directory already; remove it or choose another name")
    require_usable_audio(data, shortest=SHORTEST_SYNTHESIS)
    corpus = Corpus(source.resolve().name, source, frozenset())
    work = (work or ROOT / "work" / "anonymize").absolute()
    profile = Profile("anonymize", (corpus,), work, work, selection=selection or Selection())
    layout = Layout(profile, seed=seed, models=models)
    require(layout, [row])
    with running(layout, jobs, scheduler) as workers:
        workers.run(layout.feature_tasks([row]), "features")
        workers.run(layout.synthesis_tasks(row), row.name)
    return write_anonymised(data, target, layout.version(row, corpus).audio)


@dataclass(frozen=True)
class Evaluation:
    """Results of two versions of a data directory, in the form that ``tables`` reads.

    Attributes:
        rows: "original" and the name of the other directory.
        utterances, trials: one line per utterance, and per trial and attacker.
        notes: what could not be measured, and why.
        seed, n_bootstrap: of the intervals.
        identity: what the originals' results depend on, in the words of a row's provenance: recognisers, data, code.
    """

    rows: tuple[str, str]
    utterances: pd.DataFrame
    trials: pd.DataFrame
    notes: tuple[str, ...]
    seed: int = 0
    n_bootstrap: int = 1000
    identity: Mapping[str, Any] = field(default_factory=dict)


def evaluate_directories(
    original: Path,
    anonymised: Path,
    *,
    training: Path | None = None,
    enrolment: Path | None = None,
    jobs: int = DEFAULT_JOBS,
    scheduler: str | None = None,
    work: Path | None = None,
) -> Evaluation:
    """Evaluate a data directory and an anonymised copy of it, whoever made that, with whatever files exist.

    Args:
        original, anonymised: data directories with the same utterances.
        training: originals of other speakers for the emotion recognisers; without it, leave-one-fold-out.
        enrolment: another anonymised copy, made in a separate invocation, that the lazy-informed attacker enrols with;
            without it, the enrolment utterances of ``anonymised`` serve.
        jobs, scheduler: worker processes of this machine, or the dask cluster behind an address or scheduler file.

    Raises:
        CorpusError: not data directories, their utterances differ, or audio is unreadable, silent or below 0.4 s.
        TaskError: an utterance cannot be measured.
    """
    original, anonymised = original.absolute(), anonymised.absolute()  # a worker may run in another folder
    training, enrolment = (path and path.absolute() for path in (training, enrolment))
    data, copy = DataDir.read(original), DataDir.read(anonymised)
    again = copy if enrolment is None else DataDir.read(enrolment)
    for other in (copy, again):
        _require_same_utterances(data, other)
    for each in {folder.path: folder for folder in (data, copy, again)}.values():
        require_usable_audio(each)
    measures, notes = _possible_measures(data, copy, training)
    corpus = Corpus("emotional" if any(u.emotion for u in data) else "read", original, measures)
    work = (work or ROOT / "work" / "evaluate").absolute()
    profile = Profile("evaluate", (corpus,), work, work, ser_training=training)
    layout = Layout(profile)
    recorded = layout.version(ORIGINAL, corpus)
    version = _version(layout, recorded, anonymised, copy, again if enrolment else None)
    references = References(recorded, layout.training_version() if training else None)
    with running(layout, jobs, scheduler) as workers:
        if references.training:
            workers.run(measure_tasks(references.training, layout.backends, TRAINING_MEASURES), "training originals")
        for each in (recorded, version):
            workers.run(measure_tasks(each, layout.backends), each.row)
    lines = [utterance_lines(each, references, layout.backends) for each in (recorded, version)]
    trials = [trial_lines(each, references) for each in (recorded, version)]
    rows, identity = (recorded.row, version.row), layout.identity(ORIGINAL)
    return Evaluation(rows, _joined(lines), _joined(trials), notes, identity=identity)


def write_evaluation(folder: Path, evaluation: Evaluation, summary: pd.DataFrame) -> None:
    """Write utterances.parquet, trials.parquet, summary.csv and notes.txt, each atomically."""
    write_parquet(folder / "utterances.parquet", evaluation.utterances, UTTERANCES)
    write_parquet(folder / "trials.parquet", evaluation.trials, TRIALS)
    write_text_atomic(folder / "summary.csv", summary.to_csv(index=False))
    write_text_atomic(folder / "notes.txt", "".join(f"{note}\n" for note in evaluation.notes))


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _version(layout: Layout, recorded: Version, path: Path, copy: DataDir, again: DataDir | None) -> Version:
    hashes = [recorded.original.content_hash(), copy.content_hash(), again.content_hash() if again else None]
    name = path.resolve().name
    enrolled = recorded.original.enrolment if again else ()
    return Version(
        f"{name} (anonymised)" if name == ORIGINAL.name else name,
        recorded.corpus,
        recorded.original,
        {utterance.id: utterance.path for utterance in copy},
        layout.profile.work / f"{name}-{digest(hashes)[:16]}",
        recorded.keys,
        recorded.measures,
        recorded.transcribed,
        {utterance: again[utterance].path for utterance in enrolled},
    )


def _require_same_utterances(data: DataDir, other: DataDir) -> None:
    ours, theirs = ({utterance.id for utterance in one} for one in (data, other))
    for wanted, there, where in ((ours, theirs, other.path), (theirs, ours, data.path)):
        if missing := sorted(wanted - there):
            raise CorpusError(f"{where}: lacks {len(missing)} utterances of the other directory, first '{missing[0]}'")


def _possible_measures(
    data: DataDir, copy: DataDir, training: Path | None
) -> tuple[frozenset[Measure], tuple[str, ...]]:
    """What can be measured with the files that exist, and a sentence for each thing that cannot."""
    emotions = [utterance for utterance in data if utterance.emotion]
    folds = len({utterance.fold for utterance in emotions}) > 1 and all(utterance.fold for utterance in emotions)
    trials = bool(data.trials and data.enrolment)
    several = len({utterance.emotion for utterance in emotions}) > 1
    recognisable = bool(emotions) and (training is not None or (folds and several))
    wanted = {
        Measure.WORDS: any(utterance.text for utterance in data),
        Measure.SPEAKER: trials or recognisable,
        Measure.EMOTION: recognisable,
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
