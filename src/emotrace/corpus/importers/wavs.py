"""A folder of WAV or FLAC files and a table of labels as a data directory: anybody's speech, or what was made of it."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from tqdm import tqdm

from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Trial, Utterance
from emotrace.corpus.files import AUDIO_SUFFIXES, files_below, is_audio
from emotrace.corpus.importers import Imported
from emotrace.corpus.importers.writing import write_import
from emotrace.corpus.kaldi import Problem, has_words
from emotrace.corpus.protocol import folds_by_speaker, verification
from emotrace.corpus.validate import unusable

LABELS = "labels.csv"
NEEDED_FOR = {"emotion": "no recognition of emotion", "text": "no word error rate"}
REQUIRED = ("file", "speaker", "gender")
OPTIONAL = ("emotion", "text", "fold")
GENDERS = {"f": "f", "female": "f", "m": "m", "male": "m"}
EMOTIONS = {emotion.value: emotion for emotion in Emotion} | {emotion.name.lower(): emotion for emotion in Emotion}
SEPARATORS = ",;\t"
BEYOND = "(beyond the columns)"

Row = dict[str, str]
Audio = dict[str, list[Path]]  # name without suffix -> files, relative to the folder


@dataclass(frozen=True)
class Label:
    """One line of the table: `file` below the folder of audio, with "/" between folders; None for an empty cell."""

    line: int
    file: str
    speaker: str
    gender: str
    emotion: Emotion | None
    text: str | None
    fold: str | None


@dataclass(frozen=True)
class Labels:
    """A table of labels: its lines, which of OPTIONAL it has, and its other columns, which mean nothing here.

    `lines` are those without a fault; `problems` name the faults of the others, and contradictions.
    """

    path: Path
    lines: tuple[Label, ...]
    known: tuple[str, ...]
    unused: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


def import_wavs(source: str | Path, target: str | Path, *, labels: str | Path | None = None) -> Imported:
    """Make the data directory `target` of the audio that a table of labels names (`read_labels`).

    Without `labels` that is `source`/labels.csv. The table names files below `source`, subfolders and all, with or
    without a suffix: the same table serves for a folder of the same names in WAV and for one in FLAC, and gives both
    the same utterance ids. Audio stays where it is, at any rate: `target` refers to it by absolute paths. Without a
    column fold, `protocol.folds_by_speaker` makes folds; enrolment and trials are those of `protocol.verification`.
    The remarks, in `target`/import.json too, say what was made and what is missing. All of `target` appears or nothing.
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
    remarks = tuple(_remarks(source, audio, table, utterances, trials))
    summary = {"corpus": "wavs", "audio": str(source.absolute()), "labels": str(table.path.absolute())}
    planned = DataDir(target, tuple(utterances), tuple(enrolment), tuple(trials))
    return Imported(write_import(target, [planned], summary | {"remarks": remarks}, waveform=None), remarks)


def read_labels(path: str | Path) -> Labels:
    """Read columns file, speaker, gender and, where they are there, emotion, text, fold; in any order and case.

    Commas, semicolons or tabs between them. Gender is f, m, female or male; emotion sad, neu, ang, hap, or neutral,
    angry, happy. An optional column counts when its cells are filled, and then in every line.
    What is wrong with single lines is in `Labels.problems`. Raises CorpusError for what is no table of labels at all,
    with file, line and what to do.
    """
    path = Path(path)
    header, rows = _rows(path)
    known = tuple(name for name in OPTIONAL if any(row.get(name) for _, row in rows))
    faults = {line: list(_faults(row, header, known)) for line, row in rows}
    problems = [Problem(path, line, message) for line, messages in faults.items() for message in messages]
    lines = tuple(_label(line, row) for line, row in rows if not faults[line])
    unused = tuple(name for name in header if name and name not in REQUIRED + OPTIONAL)
    return Labels(path, lines, known, unused, (*problems, *_contradictions(path, lines)))


def _audio(source: Path) -> Audio:
    """Every audio file below `source`; one name may have several suffixes."""
    audio: Audio = {}
    for file in sorted(files_below(source)):
        if is_audio(file):
            audio.setdefault(_name(file.relative_to(source)), []).append(file.relative_to(source))
    if not audio:
        raise CorpusError(f"{source}: holds no audio: give the folder with the WAV or FLAC files")
    return audio


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
    progress = tqdm(files.items(), desc=f"{source}", unit="file", disable=None)
    unfit = {label: f"{fault}: replace it or delete the line" for label, file in progress if (fault := unusable(file))}
    faults = [(label, fault) for label, messages in misnamed.items() for fault in messages] + list(unfit.items())
    named = [Problem(table.path, label.line, fault) for label, fault in faults]
    _refuse([*table.problems, *named, *_repeated(table, files)])
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


def _refuse(problems: Iterable[Problem]) -> None:
    """Raise CorpusError with all problems, a line each, in the order of the table; nothing where there is none."""
    if ordered := sorted(problems, key=lambda problem: problem.line or 0):
        raise CorpusError("\n".join(map(str, ordered)))


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: no such file: write a table of labels, or name it by --labels") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not UTF-8 text (byte {error.start}): save it as CSV UTF-8") from error
    if not text.strip():
        raise CorpusError(f"{path}: is empty: write a line with {', '.join(REQUIRED)} and one line per utterance")
    return text


def _rows(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """Names of the columns in lower case; and of every line that is not blank its number and its cells."""
    text = _text(path)
    separator = max(SEPARATORS, key=text.splitlines()[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader)]
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise CorpusError(f"{path}:{reader.line_num}: {error}: mend the quotation marks") from error
    _refuse(Problem(path, 1, message) for message in _heading_faults(header))
    filled = [(line, _row(header, cells)) for line, cells in rows if any(cells)]
    if not filled:
        raise CorpusError(f"{path}: names no audio: write one line per utterance")
    return header, filled


def _heading_faults(header: list[str]) -> Iterator[str]:
    for name in dict.fromkeys(name for name in header if name and header.count(name) > 1):
        yield f"two columns '{name}': keep one"
    needed, optional = ", ".join(REQUIRED), ", ".join(OPTIONAL)
    for name in REQUIRED:
        if name not in header:
            yield f"no column '{name}': the first line has to name {needed} and, where known, {optional}"


def _row(header: list[str], cells: list[str]) -> Row:
    """Cells by column; what is beyond the columns stands under BEYOND."""
    return dict(zip(header, cells, strict=False)) | {BEYOND: " ".join(cells[len(header) :]).strip()}


def _faults(row: Row, header: list[str], known: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the cells of one line, each in itself."""
    if row[BEYOND]:
        yield f"more cells than the {len(header)} columns: put a text that holds the separator between quotation marks"
    for name in (*REQUIRED, *known):
        if not row.get(name):
            what = "fill it in" if name in REQUIRED else f"fill it in, delete the line, or empty the column '{name}'"
            yield f"no {name}: {what}"
    for name, allowed in (("gender", GENDERS), ("emotion", EMOTIONS)):
        if (value := row.get(name)) and value.lower() not in allowed:
            yield f"unknown {name} '{value}': expected one of {', '.join(allowed)}; or delete the line"
    for name in ("speaker", "fold"):
        if (value := row.get(name)) and (len(value.split()) > 1 or "/" in value):
            yield f"{name} '{value}' holds a space or a slash: write it as one word"
    if (text := row.get("text")) and not has_words(text):
        yield f"empty transcript '{text}': write what is said, or delete the line"


def _label(line: int, row: Row) -> Label:
    emotion, text = row.get("emotion"), row.get("text")
    return Label(
        line=line,
        file=row["file"].replace("\\", "/"),
        speaker=row["speaker"],
        gender=GENDERS[row["gender"].lower()],
        emotion=EMOTIONS[emotion.lower()] if emotion else None,
        text=" ".join(text.split()) if text else None,
        fold=row.get("fold") or None,
    )


def _contradictions(path: Path, lines: tuple[Label, ...]) -> Iterator[Problem]:
    """Lines that give a speaker another gender or fold than an earlier one."""
    first: dict[str, Label] = {}
    for label in lines:
        earlier = first.setdefault(label.speaker, label)
        for name in ("gender", "fold"):
            here, there = getattr(label, name), getattr(earlier, name)
            if here != there:
                message = f"speaker '{label.speaker}' has {name} {here}, but {there} in line {earlier.line}: give one"
                yield Problem(path, label.line, message)
