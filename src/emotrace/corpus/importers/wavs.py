"""A folder of WAV or FLAC files and a table of labels as a data directory: anybody's speech, or what was made of it."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

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

Audio = dict[str, list[Path]]  # name without suffix -> files, relative to the folder


@dataclass(frozen=True)
class Labels:
    """A table of labels: its lines, which of OPTIONAL it has, and its other columns, which mean nothing here.

    `lines` are those without a fault, by number: utterances whose path is the file as the table names it. `problems`
    name the faults of the others, and contradictions.
    """

    path: Path
    lines: dict[int, Utterance]
    known: tuple[str, ...]
    unused: tuple[str, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def lacks_folds(self) -> bool:
        """Whether folds are to be made, for recognisers of emotion."""
        return "emotion" in self.known and "fold" not in self.known


def import_wavs(source: str | Path, target: str | Path, *, labels: str | Path | None = None) -> Imported:
    """Make the data directory `target` of the audio that a table of labels names (`read_labels`).

    Without `labels` that is `source`/labels.csv. The table names files below `source`, subfolders and all, with or
    without a suffix: the same table serves for a folder of the same names in WAV and for one in FLAC, and gives both
    the same utterance ids. Audio stays where it is, at any rate: `target` refers to it by absolute paths. Without a
    column fold, `protocol.folds_by_speaker` makes folds; enrolment and trials are those of `protocol.verification`.
    The remarks, in `target`/import.json too, say what was made and what is missing. Raises as every `Importer` does;
    CorpusError with file and line of every problem of the table and of the audio that it names.
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
    return write_import(target, [planned], summary | {"remarks": remarks}, waveform=None, remarks=remarks)


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
    unused = tuple(name for name in header if name and name not in REQUIRED + OPTIONAL)
    lines: dict[int, Utterance] = {}
    first: dict[str, int] = {}  # line of each speaker
    problems = []
    for line, row in rows:
        faults = list(_faults(row, header, known))
        if not faults:
            lines[line] = utterance = _utterance(row)
            earlier = first.setdefault(utterance.speaker, line)
            for name in ("gender", "fold"):
                here, there = getattr(utterance, name), getattr(lines[earlier], name)
                if here != there:
                    both = f"{name} {here}, but {there} in line {earlier}"
                    faults.append(f"speaker '{utterance.speaker}' has {both}: give one")
        problems += [Problem(path, line, fault) for fault in faults]
    return Labels(path, lines, known, unused, tuple(problems))


def _audio(source: Path) -> Audio:
    """Every audio file below `source`; one name may have several suffixes."""
    audio: Audio = {}
    for file in sorted(files_below(source)):
        if is_audio(file):
            audio.setdefault(_name(file.relative_to(source)), []).append(file.relative_to(source))
    if not audio:
        raise CorpusError(f"{source}: holds no audio: give the folder with the WAV or FLAC files")
    return audio


def _plain(file: Path) -> Path:
    """The same path however a system writes its accents."""
    return Path(unicodedata.normalize("NFC", str(file)))


def _name(file: Path) -> str:
    """What a file is called below the folder, without suffix."""
    path = _plain(file)
    return str(path.with_suffix("") if path.suffix.lower() in AUDIO_SUFFIXES else path)


def _utterances(source: Path, audio: Audio, table: Labels) -> list[Utterance]:
    """One utterance for each line. Raises CorpusError where a line names no audio, or that of another, or bad audio."""
    genders = {utterance.speaker: utterance.gender for utterance in table.lines.values()}
    folds = folds_by_speaker(genders) if table.lacks_folds else {}
    utterances, problems = [], list(table.problems)
    first: dict[Path | str, int] = {}  # line of each file and of each id
    for line, labelled in tqdm(table.lines.items(), desc=f"{source}", unit="file", disable=None):
        try:
            file = source / _file(labelled.path, audio)
        except CorpusError as error:
            problems.append(Problem(table.path, line, str(error)))
            continue
        utterances.append(replace(labelled, path=file, fold=labelled.fold or folds.get(labelled.speaker)))
        if fault := unusable(file):
            problems.append(Problem(table.path, line, f"{fault}: replace it or delete the line"))
        if (earlier := first.setdefault(file, line)) != line:
            fault = f"'{labelled.path}' stands in line {earlier} already: delete one"
            problems.append(Problem(table.path, line, fault))
        elif (earlier := first.setdefault(labelled.id, line)) != line:
            both = f"'{labelled.path}' and '{table.lines[earlier].path}' of line {earlier}"
            problems.append(Problem(table.path, line, f"{both} would both be utterance '{labelled.id}': rename one"))
    _refuse(problems)
    return utterances


def _file(named: Path, audio: Audio) -> Path:
    """The file that a line means: that of exactly its name, else the only one with another suffix."""
    if named.is_absolute() or ".." in named.parts:
        # an absolute name would give the anonymised directory the originals
        raise CorpusError(f"'{named}' leaves the folder: name files relative to it")
    files = audio.get(_name(named), [])
    if not files:
        raise CorpusError(f"no audio '{named}' in the folder: put the file there or delete the line")
    exact = [file for file in files if _plain(file) == _plain(named)]
    if not exact and len(files) > 1:
        raise CorpusError(f"'{named}' may be {' or '.join(map(str, files))}: remove one of them")
    return (exact or files)[0]


def _remarks(
    source: Path, audio: Audio, table: Labels, utterances: list[Utterance], trials: list[Trial]
) -> Iterator[str]:
    """What was made, what is missing for which measure, and what was left alone."""
    yield f"audio stays in {source}; the data directory refers to it"
    yield from (f"no column {name}: {missing}" for name, missing in NEEDED_FOR.items() if name not in table.known)
    if table.lacks_folds:
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


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Names of the columns in lower case; and of every line that is not blank its number and its cells by column.

    What is beyond the columns stands under BEYOND.
    """
    needed, optional = ", ".join(REQUIRED), ", ".join(OPTIONAL)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: no such file: write a table of labels, or name it by --labels") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not UTF-8 text (byte {error.start}): save it as CSV UTF-8") from error
    if not text.strip():
        raise CorpusError(f"{path}: is empty: write a line with {needed} and one line per utterance")
    separator = max(SEPARATORS, key=text.splitlines()[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader)]
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise CorpusError(f"{path}:{reader.line_num}: {error}: mend the quotation marks") from error
    faults = [f"two columns '{name}': keep one" for name in dict.fromkeys(header) if name and header.count(name) > 1]
    to_name = f"the first line has to name {needed} and, where known, {optional}"
    faults += [f"no column '{name}': {to_name}" for name in REQUIRED if name not in header]
    _refuse(Problem(path, 1, fault) for fault in faults)
    if not any(any(cells) for _, cells in rows):
        raise CorpusError(f"{path}: names no audio: write one line per utterance")
    beyond = len(header)
    return header, [
        (line, dict(zip(header, cells, strict=False)) | {BEYOND: " ".join(cells[beyond:]).strip()})
        for line, cells in rows
        if any(cells)
    ]


def _faults(row: dict[str, str], header: list[str], known: tuple[str, ...]) -> Iterator[str]:
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


def _utterance(row: dict[str, str]) -> Utterance:
    """What a line without a fault says of an utterance.

    In its id the speaker leads, so that sorting by utterance also sorts by speaker, as Kaldi wants.
    """
    file, speaker = Path(row["file"].replace("\\", "/")), row["speaker"]
    name = "_".join(_name(file).replace("/", "-").split())
    emotion, text = row.get("emotion"), row.get("text")
    return Utterance(
        id=name if name.startswith(f"{speaker}-") else f"{speaker}-{name}",
        speaker=speaker,
        gender=GENDERS[row["gender"].lower()],
        path=file,
        text=" ".join(text.split()) if text else None,
        emotion=EMOTIONS[emotion.lower()] if emotion else None,
        fold=row.get("fold") or None,
    )
