"""IEMOCAP's label files, dialog/EmoEvaluation/DIALOG.txt: one header per turn, then a line per annotator."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emotrace.corpus.kaldi import CorpusError

# The release's names on the annotators' lines, and its codes on the header lines.
CATEGORIES = {
    "Neutral": "neu",
    "Happiness": "hap",
    "Excited": "exc",
    "Sadness": "sad",
    "Anger": "ang",
    "Frustration": "fru",
    "Surprise": "sur",
    "Fear": "fea",
    "Disgust": "dis",
    "Other": "oth",
}
NO_AGREEMENT = "xxx"
HEADER = re.compile(r"\[\s*([\d.]+)\s*-\s*([\d.]+)\s*\]\t(\S+)\t(\S+)\t\[[^]]*\]")
TURN = re.compile(r"(Ses0([1-5])[FM]_\w+)_([FM])(?:XX)?\d+")
# C-E1 and so on are outside evaluators; C-F1 and C-M1 are the actors on themselves and do not vote.
EVALUATOR = re.compile(r"C-E\w*:\s*([^()]*)")


@dataclass(frozen=True)
class Turn:
    """One labelled turn: `label` is the header's code, `votes` what each outside evaluator chose, one or more codes."""

    id: str
    label: str
    file: Path
    line: int
    votes: tuple[tuple[str, ...], ...] = ()

    @property
    def dialog(self) -> str:
        return self.id.rpartition("_")[0]

    @property
    def session(self) -> str:
        """ "1" to "5"."""
        return self.id[4]

    @property
    def gender(self) -> str:
        """ "f" or "m", by the last part of the id: the first letter says whose motion was captured, not who speaks."""
        return self.id.rpartition("_")[2][0].lower()

    @property
    def speaker(self) -> str:
        return f"Ses0{self.session}{self.gender.upper()}"

    @property
    def majority(self) -> str:
        """The code with most votes, "xxx" where two are level or nobody voted (Busso et al. 2008, section 5.2)."""
        counts = Counter(code for chosen in self.votes for code in chosen).most_common(2)
        if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
            return NO_AGREEMENT
        return counts[0][0]


def read_emo_evaluation(file: Path) -> list[Turn]:
    """The turns of one label file, in its order.

    Raises CorpusError with file and line for a header that is none, a label or turn that the release does not have, a
    turn of another dialog, and a turn that stands there twice.
    """
    turns: dict[str, Turn] = {}
    for start, lines in _blocks(file):
        turn = _turn(file, start, lines)
        if turn.id in turns:
            raise CorpusError(f"{file}:{start}: turn '{turn.id}' stands there twice: restore the file")
        turns[turn.id] = turn
    if not turns:
        raise CorpusError(f"{file}: holds no turn '[start - end] TURN EMOTION [V, A, D]': restore the file")
    return list(turns.values())


def _blocks(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Each header line with its number, and the annotators' lines below it."""
    start, block = 0, []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file}: is not text: {error.reason} at byte {error.start}; restore the file") from error
    for number, line in enumerate(lines, start=1):
        if line.startswith("["):
            if block:
                yield start, block
            start, block = number, []
        if start:
            block.append(line)
    if block:
        yield start, block


def _turn(file: Path, number: int, lines: list[str]) -> Turn:
    header = HEADER.fullmatch(lines[0].rstrip())
    if not header:
        raise CorpusError(f"{file}:{number}: expected '[start - end] TURN EMOTION [V, A, D]', found {lines[0]!r}")
    turn, label = header.group(3, 4)
    match = TURN.fullmatch(turn)
    if not match or match.group(1) != file.stem:
        raise CorpusError(f"{file}:{number}: turn '{turn}' is not named {file.stem}_F... or {file.stem}_M...")
    if label not in (*CATEGORIES.values(), NO_AGREEMENT):
        known = ", ".join((*CATEGORIES.values(), NO_AGREEMENT))
        raise CorpusError(f"{file}:{number}: unknown emotion label '{label}' of '{turn}': IEMOCAP has {known}")
    votes = (_codes(match.group(1)) for line in lines[1:] if (match := EVALUATOR.match(line)))
    return Turn(turn, label, file, number, tuple(votes))


def _codes(text: str) -> tuple[str, ...]:
    """Codes of "Anger; Frustration;"; a name that is not known stays as it is and agrees with no label."""
    names = (name.strip() for name in text.split(";"))
    return tuple(CATEGORIES.get(name.removesuffix(" state"), name) for name in names if name)
