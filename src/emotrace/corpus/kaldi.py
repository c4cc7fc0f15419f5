"""The Kaldi files of a data directory: each parsed line by line, then checked against the others.

`DataDir.read` stops at the first problem, `emotrace.corpus.validate` names all of them, each with its file and line.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
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
    """The value of one key, None where the line is malformed, and the number of its line, from 1."""

    value: str | None
    line: int


@dataclass(frozen=True)
class TableFormat:
    """What one Kaldi file looks like: `key_fields` fields of key, then `least` to `most` fields of value."""

    layout: str
    required: bool = False
    key_fields: int = 1
    least: int = 1
    most: float = 1
    sorted: bool = True


FORMATS = {
    "wav.scp": TableFormat("utterance audio-file", required=True, most=inf),
    "utt2spk": TableFormat("utterance speaker", required=True),
    "spk2utt": TableFormat("speaker utterance utterance ...", required=True, most=inf),
    "spk2gender": TableFormat("speaker gender", required=True),
    "text": TableFormat("utterance transcript", least=0, most=inf),
    "utt2emo": TableFormat("utterance emotion"),
    "spk2fold": TableFormat("speaker fold"),
    "enrolls": TableFormat("utterance", least=0, most=0),
    "trials": TableFormat("speaker utterance target|nontarget", key_fields=2, sorted=False),
}


@dataclass
class Table:
    """One Kaldi file: `cells` by key, and the `problems` of its lines by themselves.

    Other files are not held against a table that is not `usable`: absent, empty, or not text.
    """

    file: Path
    usable: bool = False
    cells: dict[str, Cell] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Key, value and number of every well-formed line."""
        return ((key, cell.value, cell.line) for key, cell in self.cells.items() if cell.value is not None)

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
    checks = (_utterances, _values, _speakers, _spk2utt, _trials)
    for check in checks if tables["utt2spk"].usable else checks[:2]:
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
        previous = _read_line(table, form, number, line, previous)
    return table


def _read_line(table: Table, form: TableFormat, number: int, line: str, previous: str) -> str:
    """Add one line to `table`; return its key, or `previous`, the key before it, when it has none."""
    fields = line.split(maxsplit=form.key_fields)
    key, value = " ".join(fields[: form.key_fields]), "".join(fields[form.key_fields :]).strip()
    malformed = f"malformed line {line!r}: expected '{form.layout}'"
    if len(fields) < form.key_fields:
        table.report(number, malformed)
        return previous
    if key in table.cells:
        table.report(number, f"duplicate id '{key}'")
        return key
    if form.sorted and key < previous:
        table.report(number, f"unsorted ids: '{key}' stands after '{previous}'")
    if "/" in key or key in (".", ".."):
        table.report(number, f"id '{key}' cannot be used as a file name")
    fits = form.least <= len(value.split()) <= form.most
    if not fits:
        table.report(number, malformed)
    table.cells[key] = Cell(value if fits else None, number)
    return key


def _utterances(tables: Tables) -> Iterator[Problem]:
    """The per-utterance files list the same utterances."""
    present = [tables[name] for name in PER_UTTERANCE if tables[name].usable]
    named = set()
    for table in present:
        for utterance, _, line in table:
            absent = [other.file.name for other in present if utterance not in other.cells]
            # One line per utterance: only the first file that has it speaks.
            if absent and utterance not in named:
                yield table.problem(line, f"utterance '{utterance}' is not in {', '.join(absent)}")
        named |= table.cells.keys()


def _values(tables: Tables) -> Iterator[Problem]:
    """Emotions and genders are known ones, and transcripts hold words."""
    for name, what, allowed in (("utt2emo", "emotion", list(Emotion)), ("spk2gender", "gender", GENDERS)):
        for key, value, line in tables[name]:
            if value not in allowed:
                message = f"unknown {what} '{value}' of '{key}': expected one of {', '.join(allowed)}"
                yield tables[name].problem(line, message)
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
            if speaker not in tables[name].cells:
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
            elif utterance not in utt2spk.cells:
                yield spk2utt.problem(line, f"utterance '{utterance}' of speaker '{speaker}' is not in utt2spk")
            elif owner not in (None, speaker):
                message = f"utterance '{utterance}' is listed for '{speaker}', but utt2spk says '{owner}'"
                yield spk2utt.problem(line, message)
            listed.add((speaker, utterance))
    for utterance, speaker, line in utt2spk:
        if spk2utt.get(speaker) is not None and (speaker, utterance) not in listed:
            message = f"utterance '{utterance}' is not listed for its speaker '{speaker}' in spk2utt"
            yield utt2spk.problem(line, message)


def _trials(tables: Tables) -> Iterator[Problem]:
    """Enrolment and trials name known speakers and utterances; labels are true, no trial is scored against itself."""
    trials, utt2spk, enrolls = tables["trials"], tables["utt2spk"], tables["enrolls"]
    for utterance, _, line in enrolls:
        if utterance not in utt2spk.cells:
            yield enrolls.problem(line, f"enrolment names unknown utterance '{utterance}'")
    speakers = {speaker for _, speaker, _ in utt2spk}
    enrolled = {utt2spk.get(utterance) for utterance, _, _ in enrolls}
    for key, label, line in trials:
        speaker, utterance = key.split()
        owner = utt2spk.get(utterance)
        if speaker not in speakers:
            yield trials.problem(line, f"trial names unknown speaker '{speaker}'")
        if utterance not in utt2spk.cells:
            yield trials.problem(line, f"trial names unknown utterance '{utterance}'")
        if label not in ("target", "nontarget"):
            yield trials.problem(line, f"unknown trial label '{label}': expected target or nontarget")
        elif owner is not None and (label == "target") != (speaker == owner):
            yield trials.problem(line, f"trial is labelled {label}, but '{utterance}' is of speaker '{owner}'")
        if enrolls.usable and speaker in speakers and speaker not in enrolled:
            yield trials.problem(line, f"trial speaker '{speaker}' has no enrolment utterance")
        if utterance in enrolls.cells:
            yield trials.problem(line, f"trial utterance '{utterance}' is also an enrolment utterance")


def _audio_entries(path: Path, wav_scp: Table, require_audio: bool) -> Iterator[Problem]:
    for utterance, entry, line in wav_scp:
        if entry.endswith("|"):
            yield wav_scp.problem(line, f"audio of '{utterance}' is a shell command: only files are read")
        elif require_audio and not audio_path(path, entry).is_file():
            yield wav_scp.problem(line, f"missing audio of '{utterance}': {entry} does not exist")
