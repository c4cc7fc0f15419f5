"""The table of labels that goes with a folder of audio: one line of a CSV file for each utterance."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emotrace.corpus.datadir import Emotion
from emotrace.corpus.kaldi import CorpusError, Problem

REQUIRED = ("file", "speaker", "gender")
OPTIONAL = ("emotion", "text", "fold")
GENDERS = {"f": "f", "female": "f", "m": "m", "male": "m"}
EMOTIONS = {emotion.value: emotion for emotion in Emotion} | {emotion.name.lower(): emotion for emotion in Emotion}
SEPARATORS = ",;\t"
BEYOND = "(beyond the columns)"

Row = dict[str, str]


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


def refuse(problems: Iterable[Problem]) -> None:
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
    refuse(Problem(path, 1, message) for message in _heading_faults(header))
    found = [(line, _row(header, cells)) for line, cells in rows if any(cells)]
    if not found:
        raise CorpusError(f"{path}: names no audio: write one line per utterance")
    return header, found


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
    if (text := row.get("text")) and not any(character.isalnum() for character in text):
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
