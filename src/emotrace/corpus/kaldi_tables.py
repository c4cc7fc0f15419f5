"""Kaldi tables as text: every line checked, every problem kept with its file and line."""

from dataclasses import dataclass, field
from pathlib import Path


class CorpusError(ValueError):
    """A data directory or corpus tree that cannot be used; the message names the file and line."""


@dataclass(frozen=True)
class Problem:
    """One defect of a data directory; `line` is None when it concerns the whole file."""

    file: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


@dataclass(frozen=True)
class Cell:
    """The value of one key, and the line it stands on."""

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
    usable: bool
    cells: dict[str, Cell] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def report(self, line: int | None, message: str) -> None:
        self.problems.append(Problem(self.file, line, message))

    def knows(self, key: str) -> bool:
        return key in self.cells or key in self.broken

    def get(self, key: str) -> str | None:
        return self.cells[key].value if key in self.cells else None


def read_table(file: Path, form: TableFormat) -> Table:
    """Parse one file; defects go to the table's `problems`, in the order of the lines."""
    table = Table(file, usable=False)
    if not file.is_file():
        if form.required:
            table.report(None, "file is missing")
        return table
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        table.report(None, f"is not UTF-8 text: {error.reason} at byte {error.start}")
        return table
    if not text.strip():
        table.report(None, "file is empty")
        return table
    table.usable = True
    lines = text.removesuffix("\n").split("\n")
    previous = ""
    for number, line in enumerate(lines, start=1):
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


def read_tables(path: Path) -> dict[str, Table]:
    """All Kaldi files of one directory, by file name; an absent file is a Table that does not exist."""
    return {name: read_table(Path(path) / name, form) for name, form in FORMATS.items()}
