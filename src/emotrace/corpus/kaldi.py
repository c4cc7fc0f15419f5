"""The Kaldi files of a data directory: each parsed line by line, then checked against the others.

`DataDir.read` stops at the first problem, `emotrace.corpus.validate` names all of them, each with its file and line.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

GENDERS = ("f", "m")
PER_UTTERANCE = ("wav.scp", "utt2spk", "text", "utt2emo")
PER_SPEAKER = {  # file: what is said of a speaker that it lacks
    "spk2utt": "is not in spk2utt",
    "spk2gender": "has no gender in spk2gender",
    "spk2fold": "has no fold in spk2fold",
}


class CorpusError(ValueError):
    """A data directory or corpus tree that cannot be used; the message names the file and line."""


class Emotion(StrEnum):
    """VoicePrivacy's labels in VoicePrivacy's order."""

    SAD = "sad"
    NEUTRAL = "neu"
    ANGRY = "ang"
    HAPPY = "hap"


@dataclass(frozen=True)
class Problem:
    """One defect of a data directory; `line` is None when it concerns the whole file."""

    file: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class Cell(NamedTuple):
    """The value of one key, and the number of its line, from 1."""

    value: str
    line: int


@dataclass(frozen=True)
class TableFormat:
    """What one Kaldi file looks like: `key_fields` fields of key, then exactly `values` fields (None: one or more)."""

    layout: str
    required: bool = False
    key_fields: int = 1
    values: int | None = 1
    may_be_empty: bool = False
    sorted: bool = True


FORMATS = {
    "wav.scp": TableFormat("utterance audio-file", required=True, values=None),
    "utt2spk": TableFormat("utterance speaker", required=True),
    "spk2utt": TableFormat("speaker utterance utterance ...", required=True, values=None),
    "spk2gender": TableFormat("speaker gender", required=True),
    "text": TableFormat("utterance transcript", values=None, may_be_empty=True),
    "utt2emo": TableFormat("utterance emotion"),
    "spk2fold": TableFormat("speaker fold"),
    "enrolls": TableFormat("utterance", values=0),
    "trials": TableFormat("speaker utterance target|nontarget", key_fields=2, sorted=False),
}


@dataclass
class Table:
    """One Kaldi file: `cells` by key; `broken` are keys of malformed lines, known but without a value.

    Other files are not held against a table that is not `usable`: absent, empty, or not text.
    """

    file: Path
    usable: bool = False
    cells: dict[str, Cell] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Key, value and number of every well-formed line."""
        return ((key, cell.value, cell.line) for key, cell in self.cells.items())

    def knows(self, key: str) -> bool:
        return key in self.cells or key in self.broken

    def get(self, key: str) -> str | None:
        return self.cells[key].value if key in self.cells else None

    def problem(self, line: int | None, message: str) -> Problem:
        return Problem(self.file, line, message)

    def report(self, line: int | None, message: str) -> None:
        self.problems.append(self.problem(line, message))


Tables = dict[str, Table]


def has_words(transcript: str) -> bool:
    """Whether a transcript holds a letter or a digit."""
    return any(character.isalnum() for character in transcript)


def audio_path(path: Path, entry: str) -> Path:
    """Where a wav.scp entry of directory `path` points: absolute, else below `path` or its nearest ancestor.

    VoicePrivacy writes entries relative to the folder that holds data/, hence the ancestors.
    """
    folder = path.absolute()
    return next((base / entry for base in (folder, *folder.parents) if (base / entry).is_file()), folder / entry)


def read_tables(path: Path) -> Tables:
    """All Kaldi files of directory `path` by file name; one that is absent is not usable and holds nothing."""
    return {name: _read_table(path / name, form) for name, form in FORMATS.items()}


def metadata_problems(path: Path, tables: Tables, *, require_audio: bool = True) -> list[Problem]:
    """Every defect of the Kaldi files `tables` of directory `path`: file by file as written, then across files."""
    if not path.is_dir():
        return [Problem(path, None, "is not a directory")]
    problems = [problem for table in tables.values() for problem in table.problems]
    checks = (_utterances, _labels, _transcripts)
    if tables["utt2spk"].usable:
        checks += (_speakers, _spk2utt, _enrolment, _trials)
    for check in checks:
        problems += check(tables)
    problems += _audio_entries(path, tables["wav.scp"], require_audio)
    if (path / "segments").exists():
        problems.append(Problem(path / "segments", None, "segments are not supported: one audio file per utterance"))
    return problems


def _read_table(file: Path, form: TableFormat) -> Table:
    """Parse one file; defects go to the table's `problems`, in the order of the lines."""
    table = Table(file)
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        if form.required:
            table.report(None, "file is missing")
        return table
    except UnicodeDecodeError as error:
        table.report(None, f"is not UTF-8 text: {error.reason} at byte {error.start}")
        return table
    table.usable = bool(text.strip())
    if not table.usable:
        table.report(None, "file is empty")
        return table
    previous = ""
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        previous = _read_line(table, form, number, line, previous) or previous
    return table


def _read_line(table: Table, form: TableFormat, number: int, line: str, previous: str) -> str | None:
    """Add one line to `table`; return its key, or None when it has none. `previous` is the key before it."""
    fields = line.split(maxsplit=form.key_fields)
    key = " ".join(fields[: form.key_fields])
    value = fields[form.key_fields].strip() if len(fields) > form.key_fields else ""
    if len(fields) < form.key_fields:
        table.report(number, f"malformed line {line!r}: expected '{form.layout}'")
        return None
    if table.knows(key):
        table.report(number, f"duplicate id '{key}'")
        return key
    if form.sorted and key < previous:
        table.report(number, f"unsorted ids: '{key}' stands after '{previous}'")
    if "/" in key or key in (".", ".."):
        table.report(number, f"id '{key}' cannot be used as a file name")
    count = len(value.split())
    if count != form.values and (form.values is not None or not (count or form.may_be_empty)):
        table.report(number, f"malformed line {line!r}: expected '{form.layout}'")
        table.broken.add(key)
    else:
        table.cells[key] = Cell(value, number)
    return key


def _utterances(tables: Tables) -> Iterator[Problem]:
    """The per-utterance files list the same utterances."""
    present = [tables[name] for name in PER_UTTERANCE if tables[name].usable]
    for table in present:
        for utterance, _, line in table:
            absent = [other.file.name for other in present if not other.knows(utterance)]
            # One line per utterance: only the first file that has it speaks.
            if absent and table is next(other for other in present if other.knows(utterance)):
                yield table.problem(line, f"utterance '{utterance}' is not in {', '.join(absent)}")


def _labels(tables: Tables) -> Iterator[Problem]:
    for name, what, allowed in (("utt2emo", "emotion", list(Emotion)), ("spk2gender", "gender", GENDERS)):
        for key, value, line in tables[name]:
            if value not in allowed:
                message = f"unknown {what} '{value}' of '{key}': expected one of {', '.join(allowed)}"
                yield tables[name].problem(line, message)


def _transcripts(tables: Tables) -> Iterator[Problem]:
    for utterance, value, line in tables["text"]:
        if not has_words(value):
            yield tables["text"].problem(line, f"empty transcript of utterance '{utterance}'")


def _speakers(tables: Tables) -> Iterator[Problem]:
    """Every speaker of utt2spk stands in every per-speaker file, and no other does."""
    first_line: dict[str, int] = {}
    for _, speaker, line in tables["utt2spk"]:
        first_line.setdefault(speaker, line)
    for name, lacking in PER_SPEAKER.items():
        if not tables[name].usable:
            continue
        for speaker, line in first_line.items():
            if not tables[name].knows(speaker):
                yield tables["utt2spk"].problem(line, f"speaker '{speaker}' {lacking}")
        for speaker, _, line in tables[name]:
            if name != "spk2utt" and speaker not in first_line:
                yield tables[name].problem(line, f"speaker '{speaker}' has no utterance in utt2spk")


def _spk2utt(tables: Tables) -> Iterator[Problem]:
    """spk2utt is the inverse of utt2spk."""
    utt2spk, spk2utt = tables["utt2spk"], tables["spk2utt"]
    listed: set[tuple[str, str]] = set()
    for speaker, value, line in spk2utt:
        for utterance in value.split():
            owner = utt2spk.get(utterance)
            if (speaker, utterance) in listed:
                yield spk2utt.problem(line, f"duplicate id '{utterance}' of speaker '{speaker}'")
            elif not utt2spk.knows(utterance):
                yield spk2utt.problem(line, f"utterance '{utterance}' of speaker '{speaker}' is not in utt2spk")
            elif owner not in (None, speaker):
                message = f"utterance '{utterance}' is listed for '{speaker}', but utt2spk says '{owner}'"
                yield spk2utt.problem(line, message)
            listed.add((speaker, utterance))
    for utterance, speaker, line in utt2spk:
        if speaker in spk2utt.cells and (speaker, utterance) not in listed:
            message = f"utterance '{utterance}' is not listed for its speaker '{speaker}' in spk2utt"
            yield utt2spk.problem(line, message)


def _enrolment(tables: Tables) -> Iterator[Problem]:
    for utterance, _, line in tables["enrolls"]:
        if not tables["utt2spk"].knows(utterance):
            yield tables["enrolls"].problem(line, f"enrolment names unknown utterance '{utterance}'")


def _trials(tables: Tables) -> Iterator[Problem]:
    """Trials name known speakers and utterances, their labels are true, and no trial is scored against itself."""
    trials, utt2spk, enrolls = tables["trials"], tables["utt2spk"], tables["enrolls"]
    speakers = {speaker for _, speaker, _ in utt2spk}
    enrolled = {utt2spk.get(utterance) for utterance in enrolls.cells}
    for key, label, line in trials:
        speaker, utterance = key.split()
        owner = utt2spk.get(utterance)
        labelled = label in ("target", "nontarget")
        wrong = {
            f"trial names unknown speaker '{speaker}'": speaker not in speakers,
            f"trial names unknown utterance '{utterance}'": not utt2spk.knows(utterance),
            f"unknown trial label '{label}': expected target or nontarget": not labelled,
            f"trial is labelled {label}, but '{utterance}' is of speaker '{owner}'": owner is not None
            and labelled
            and (label == "target") != (speaker == owner),
            f"trial speaker '{speaker}' has no enrolment utterance": enrolls.usable
            and speaker in speakers
            and speaker not in enrolled,
            f"trial utterance '{utterance}' is also an enrolment utterance": enrolls.knows(utterance),
        }
        yield from (trials.problem(line, message) for message, applies in wrong.items() if applies)


def _audio_entries(path: Path, wav_scp: Table, require_audio: bool) -> Iterator[Problem]:
    for utterance, entry, line in wav_scp:
        if entry.endswith("|"):
            yield wav_scp.problem(line, f"audio of '{utterance}' is a shell command: only files are read")
        elif require_audio and not audio_path(path, entry).is_file():
            yield wav_scp.problem(line, f"missing audio of '{utterance}': {entry} does not exist")
