"""A folder of WAV or FLAC files and a table of labels as a data directory: anybody's speech, or what was made of it."""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath

from tqdm import tqdm

from emotrace.corpus.datadir import CorpusError, DataDir, Trial, Utterance, write_datadir
from emotrace.corpus.files import AUDIO_SUFFIXES, atomic_folder, files_below, is_audio, write_text_atomic
from emotrace.corpus.importers.labels import Label, Labels, read_labels, refuse
from emotrace.corpus.protocol import folds_by_speaker, verification
from emotrace.corpus.kaldi import Problem
from emotrace.corpus.validate import unusable

LABELS = "labels.csv"
NEEDED_FOR = {"emotion": "no recognition of emotion", "text": "no word error rate"}

Audio = dict[str, list[Path]]  # name without suffix -> files, relative to the folder


def import_wavs(source: str | Path, target: str | Path, labels: str | Path | None = None) -> tuple[DataDir, list[str]]:
    """Make the data directory `target` of the audio that a table of labels names (`labels.read_labels`).

    Without `labels` that is `source`/labels.csv. The table names files below `source`, subfolders and all, with or
    without a suffix: the same table serves for a folder of the same names in WAV and for one in FLAC, and gives both
    the same utterance ids. Audio stays where it is, at any rate: `target` refers to it by absolute paths. Without a
    column fold, `protocol.folds_by_speaker` makes folds; enrolment and trials are those of `protocol.verification`.
    Returns the data directory, and remarks on what was made and what is missing. All of `target` appears or nothing.
    Raises CorpusError with file and line of every problem of the table and of the audio that it names;
    FileExistsError if `target` holds something.
    """
    source, target = Path(source), Path(target)
    if not source.is_dir():
        raise CorpusError(f"{source}: no such folder: give the folder that holds the audio")
    table = read_labels(source / LABELS if labels is None else labels)
    audio = _audio(source)
    utterances = _utterances(source.absolute(), audio, table)
    enrolment, trials = verification(utterances)
    remarks = list(_remarks(source, audio, table, utterances, trials))
    with atomic_folder(target) as folder:
        write_datadir(folder, utterances, enrolment=enrolment, trials=trials)
        summary = {"corpus": "wavs", "audio": str(source.absolute()), "labels": str(table.path.absolute())}
        write_text_atomic(folder / "import.json", json.dumps(summary | {"remarks": remarks}, indent=2) + "\n")
    return DataDir.read(target), remarks


def _audio(source: Path) -> Audio:
    """Every audio file below `source`; one name may have several suffixes."""
    found: Audio = {}
    for file in sorted(files_below(source)):
        if is_audio(file):
            found.setdefault(_name(file.relative_to(source)), []).append(file.relative_to(source))
    if not found:
        raise CorpusError(f"{source}: holds no audio: give the folder with the WAV or FLAC files")
    return found


def _plain(file: str | PurePath) -> PurePosixPath:
    """The same path however a system writes its accents."""
    return PurePosixPath(unicodedata.normalize("NFC", str(file)))


def _name(file: str | PurePath) -> str:
    """What a file is called below the folder, without suffix."""
    path = _plain(file)
    return str(path.with_suffix("") if path.suffix.lower() in AUDIO_SUFFIXES else path)


def _utterances(source: Path, audio: Audio, table: Labels) -> list[Utterance]:
    """One utterance for each line. Raises CorpusError where a line names no audio, or that of another, or bad audio."""
    misnamed = {label: list(_misnamed(label, audio)) for label in table.lines}
    files = {label: source / _chosen(label, audio) for label in table.lines if not misnamed[label]}
    progress = tqdm(files.items(), desc=f"{source}", unit="file")
    unfit = {label: f"{fault}: replace it or delete the line" for label, file in progress if (fault := unusable(file))}
    faults = [(label, fault) for label, found in misnamed.items() for fault in found] + list(unfit.items())
    named = [Problem(table.path, label.line, fault) for label, fault in faults]
    refuse([*table.problems, *named, *_repeated(table, files)])
    speakers = {label.speaker: label.gender for label in table.lines}
    made = folds_by_speaker(speakers) if _makes_folds(table) else {}
    return [
        Utterance(
            id=_id(label),
            speaker=label.speaker,
            gender=label.gender,
            path=file,
            text=label.text,
            emotion=label.emotion,
            fold=label.fold or made.get(label.speaker),
        )
        for label, file in files.items()
    ]


def _misnamed(label: Label, audio: Audio) -> Iterator[str]:
    if PurePosixPath(label.file).is_absolute() or ".." in PurePosixPath(label.file).parts:
        # an absolute name would give the anonymised directory the originals
        yield f"'{label.file}' leaves the folder: name files relative to it"
    elif (named := audio.get(_name(label.file))) is None:
        yield f"no audio '{label.file}' in the folder: put the file there or delete the line"
    elif _chosen(label, audio) is None:
        yield f"'{label.file}' may be {' or '.join(map(str, named))}: remove one of them"


def _chosen(label: Label, audio: Audio) -> Path | None:
    """The file that a line means: that of exactly its name, else the only one with another suffix."""
    named = audio[_name(label.file)]
    exact = [path for path in named if _plain(path) == _plain(label.file)]
    return next(iter(exact or (named if len(named) == 1 else [])), None)


def _id(label: Label) -> str:
    """The speaker leads, so that sorting by utterance also sorts by speaker, as Kaldi wants; no spaces or slashes."""
    name = "_".join(_name(label.file).replace("/", "-").split())
    return name if name.startswith(f"{label.speaker}-") else f"{label.speaker}-{name}"


def _repeated(table: Labels, files: dict[Label, Path]) -> Iterator[Problem]:
    """Lines that name a file, or make an id, of an earlier line."""
    first: dict[Path | str, Label] = {}
    for label, file in files.items():
        if (earlier := first.setdefault(file, label)) is not label:
            yield Problem(table.path, label.line, f"'{label.file}' stands in line {earlier.line} already: delete one")
        elif (earlier := first.setdefault(_id(label), label)) is not label:
            both = f"'{label.file}' and '{earlier.file}' of line {earlier.line}"
            yield Problem(table.path, label.line, f"{both} would both be utterance '{_id(label)}': rename one")


def _makes_folds(table: Labels) -> bool:
    """Folds are for recognisers of emotion."""
    return "emotion" in table.known and "fold" not in table.known


def _remarks(
    source: Path, audio: Audio, table: Labels, utterances: list[Utterance], trials: list[Trial]
) -> Iterator[str]:
    """What was made, what is missing for which measure, and what was left alone."""
    yield f"audio stays in {source}; the data directory refers to it"
    yield from (f"no column {name}: {missing}" for name, missing in NEEDED_FOR.items() if name not in table.known)
    if _makes_folds(table):
        made = len({utterance.fold for utterance in utterances if utterance.fold})
        yield f"{made} folds made, by speaker" if made else "no folds, one speaker: evaluate needs --train DIR"
    yield f"{len(trials)} trials made"
    genders = {utterance.speaker: utterance.gender for utterance in utterances}
    for gender in sorted(set(genders.values()) - {genders[trial.speaker] for trial in trials}):
        yield f"no trials of gender {gender}: they need two speakers with two utterances or more"
    if table.unused:
        yield f"columns left alone: {', '.join(table.unused)}"
    if left := sum(map(len, audio.values())) - len(utterances):
        yield f"audio files that {table.path} does not name: {left}, left out"
