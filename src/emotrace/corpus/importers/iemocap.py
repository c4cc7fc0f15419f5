"""IEMOCAP's full release (Busso et al. 2008, doi:10.1007/s10579-008-9076-6) as one data directory with five folds."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Utterance
from emotrace.corpus.importers import Imported
from emotrace.corpus.importers.writing import write_import
from emotrace.corpus.kaldi import has_words

SESSIONS = ("1", "2", "3", "4", "5")
# The release's names on the annotators' lines, and its codes on the header lines: neu, hap, exc, ...
NAMES = "Neutral Happiness Excited Sadness Anger Frustration Surprise Fear Disgust Other".split()
CATEGORIES = {name: name[:3].lower() for name in NAMES}
EXCITED = "exc"
NO_AGREEMENT = "xxx"
LABELS = (*CATEGORIES.values(), NO_AGREEMENT)
# What four-class work on all five sessions counts: hap 595 and exc 1041 of them.
KNOWN_TOTALS = {"sad": 1084, "neu": 1708, "ang": 1103, "hap": 595, "exc": 1041}
# With excitement among happiness or without: what the class "hap" is made of, and why.
HAPPY = {
    True: (
        "happiness and excitement",
        "as SpeechBrain's IEMOCAP recipe (recipes/IEMOCAP/emotion_recognition/iemocap_prepare.py: exc "
        "becomes hap, 5531 utterances), whose model VoicePrivacy 2024's emotion recogniser is by its class; "
        "VoicePrivacy does not state it, and its lists could not be checked",
    ),
    False: ("happiness", "on request; not what SpeechBrain's recipe does"),
}
HEADER = re.compile(r"\[\s*([\d.]+)\s*-\s*([\d.]+)\s*\]\t(\S+)\t(\S+)\t\[[^]]*\]")
TURN = re.compile(r"(Ses0([1-5])[FM]_\w+)_([FM])(?:XX)?\d+")
# C-E1 and so on are outside evaluators; C-F1 and C-M1 are the actors on themselves and do not vote.
EVALUATOR = re.compile(r"C-E\w*:\s*([^()]*)")
TRANSCRIPT = re.compile(r"(\S+)\s+\[[^]]*\]:\s*(.*)")
EVENT = re.compile(r"\[([^]]*)\]")


@dataclass(frozen=True)
class Turn:
    """One labelled turn: `label` is the header's code, `votes` what each outside evaluator chose, one or more codes."""

    id: str
    label: str
    file: Path
    line: int
    votes: tuple[tuple[str, ...], ...] = ()

    @property
    def session(self) -> str:
        """ "1" to "5"."""
        return self.id[4]

    @property
    def majority(self) -> str:
        """The code with most votes, "xxx" where two are level or nobody voted (Busso et al. 2008, section 5.2)."""
        counts = Counter(code for chosen in self.votes for code in chosen).most_common(2)
        if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
            return NO_AGREEMENT
        return counts[0][0]


def import_iemocap(
    source: str | Path, target: str | Path, *, excited: bool = True, check_majority: bool = False
) -> Imported:
    """Import IEMOCAP_full_release (the folder of Session1 ... Session5, or any of them) as the data directory `target`.

    Four classes: sad, neu, ang, hap, by the header of each turn, which is the majority of its evaluators. Other labels,
    and "xxx" where the evaluators disagree, are left out and counted. The speaker is the last letter of the turn's id;
    folds are the sessions, "1" to "5", for leave-one-session-out. VoicePrivacy's IEMOCAP_dev and IEMOCAP_test divide
    these turns further, by lists that are not part of the release: read those with `DataDir.read`.

    Args:
        source: the release.
        target: the new data directory. Its import.json counts the turns by class, by label left out, and without a word
            (the names of events stand in); the remarks say the same. Five whole sessions with other totals than usual
            are a warning.
        excited: excitement counts as happiness (`HAPPY` says why).
        check_majority: recount the votes and name the turns whose header differs; labels stay.

    Raises:
        CorpusError: this is not the full release; with file and line. Otherwise as every `Importer` does.
    """
    source, target = Path(source), Path(target)
    turns = [turn for file in _label_files(source) for turn in read_emo_evaluation(file)]
    classes = {emotion.value: emotion for emotion in Emotion} | ({EXCITED: Emotion.HAPPY} if excited else {})
    kept = [turn for turn in turns if turn.label in classes]
    texts = _texts(kept)
    utterances = tuple(_utterance(turn, classes[turn.label], texts[turn.id]) for turn in kept)
    summary = _summary(turns, classes, check_majority)
    summary["without_words"] = sum(not _words(text) for text in texts.values())
    return write_import(target, [DataDir(target, utterances)], summary, remarks=_remarks(summary))


def _summary(turns: list[Turn], classes: Mapping[str, Emotion], check_majority: bool) -> dict[str, Any]:
    """What became of the turns; "inconsistent" is None where it was not looked for."""
    labels = Counter(turn.label for turn in turns)
    sessions = tuple(sorted({turn.session for turn in turns}))
    happy, reason = HAPPY[EXCITED in classes]
    differing = [f"{turn.id}: {turn.label}, {turn.majority}" for turn in turns if turn.label != turn.majority]
    unusual = [f"{name} {labels[name]} instead of {n}" for name, n in KNOWN_TOTALS.items() if labels[name] != n]
    warning = f"all five sessions are there, but not with the known totals: {', '.join(unusual)}"
    return {
        "corpus": "IEMOCAP",
        "source": reason,
        "happy": happy,
        "sessions": sessions,
        "turns": len(turns),
        "imported": {str(e): sum(labels[label] for label, name in classes.items() if name is e) for e in Emotion},
        "left_out": {label: labels[label] for label in sorted(labels) if label not in classes},
        "excited": labels[EXCITED] if EXCITED in classes else 0,
        "inconsistent": differing if check_majority else None,
        "warnings": [warning] if unusual and sessions == SESSIONS else [],
    }


def _remarks(summary: Mapping[str, Any]) -> Iterator[str]:
    """The summary for reading."""
    imported, left_out = (
        ", ".join(f"{name} {count}" for name, count in summary[key].items()) for key in ("imported", "left_out")
    )
    total = sum(summary["imported"].values())
    yield f"sessions {', '.join(summary['sessions'])}: {summary['turns']} turns, {total} imported: {imported}"
    yield f"hap is {summary['happy']} ({summary['excited']} excited), {summary['source']}"
    yield f"left out: {left_out or 'none'} ({NO_AGREEMENT}: no majority among the annotators)"
    if summary["inconsistent"] is not None:
        yield f"label is not the majority: {len(summary['inconsistent'])} turns"
    yield from (f"warning: {warning}" for warning in summary["warnings"])


def _label_files(source: Path) -> Iterator[Path]:
    """The label files of every session folder there is; a session without them is not passed over."""
    sessions = [source / f"Session{number}" for number in SESSIONS if (source / f"Session{number}").is_dir()]
    if not sessions:
        raise CorpusError(f"{source}: not the full release of IEMOCAP: no Session1; give the folder that holds it")
    for session in sessions:
        folder = session / "dialog" / "EmoEvaluation"
        # macOS left a shadow of each file in the release, "._DIALOG.txt".
        files = sorted(file for file in folder.glob("*.txt") if not file.name.startswith("."))
        if not files:
            raise CorpusError(f"{folder}: no label files DIALOG.txt: unpack the full release of IEMOCAP")
        if foreign := [file for file in files if not file.name.startswith(f"Ses0{session.name[-1]}")]:
            raise CorpusError(f"{foreign[0]}: belongs to another session than {session.name}: restore the tree")
        yield from files


def read_emo_evaluation(file: Path) -> list[Turn]:
    """The turns of one label file, dialog/EmoEvaluation/DIALOG.txt: each is a header and a line per annotator.

    Raises CorpusError with file and line for a header that is none, a label or turn that the release does not have, a
    turn of another dialog, and a turn that stands there twice.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file}: is not text: {error.reason} at byte {error.start}; restore the file") from error
    turns: dict[str, Turn] = {}
    headers = [place for place, line in enumerate(lines) if line.startswith("[")]
    for start, end in zip(headers, [*headers, len(lines)][1:], strict=True):
        turn = _turn(file, start + 1, lines[start:end])
        if turn.id in turns:
            raise CorpusError(f"{file}:{turn.line}: turn '{turn.id}' stands there twice: restore the file")
        turns[turn.id] = turn
    if not turns:
        raise CorpusError(f"{file}: holds no turn '[start - end] TURN EMOTION [V, A, D]': restore the file")
    return list(turns.values())


def _turn(file: Path, number: int, lines: list[str]) -> Turn:
    """The turn of a header line, which has that number, and the annotators' lines below it."""
    header = HEADER.fullmatch(lines[0].rstrip())
    if not header:
        raise CorpusError(f"{file}:{number}: expected '[start - end] TURN EMOTION [V, A, D]', found {lines[0]!r}")
    turn, label = header.group(3, 4)
    match = TURN.fullmatch(turn)
    if not match or match.group(1) != file.stem:
        raise CorpusError(f"{file}:{number}: turn '{turn}' is not named {file.stem}_F... or {file.stem}_M...")
    if label not in LABELS:
        known = ", ".join(LABELS)
        raise CorpusError(f"{file}:{number}: unknown emotion label '{label}' of '{turn}': IEMOCAP has {known}")
    chosen = (vote.group(1).split(";") for line in lines[1:] if (vote := EVALUATOR.match(line)))
    # a name that is not known stays as it is and agrees with no label
    names = ((name.strip().removesuffix(" state") for name in vote) for vote in chosen)
    return Turn(turn, label, file, number, tuple(tuple(CATEGORIES.get(n, n) for n in vote if n) for vote in names))


def _texts(turns: list[Turn]) -> dict[str, str]:
    """Transcript of every turn, as released."""
    texts: dict[str, str] = {}
    for file, spoken in groupby(turns, key=lambda turn: turn.file.parents[1] / "transcriptions" / turn.file.name):
        if not file.is_file():
            raise CorpusError(f"{file}: does not exist: unpack the full release of IEMOCAP")
        # A few curly quotes are not UTF-8; they are no words either. Lines of other form are remarks.
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        known = {match.group(1): match.group(2) for line in lines if (match := TRANSCRIPT.match(line))}
        for turn in spoken:
            if turn.id not in known:
                raise CorpusError(f"{file}: has no transcript of '{turn.id}': restore the file")
            texts[turn.id] = known[turn.id]
    return texts


def _words(transcript: str) -> str:
    """Upper case without [EVENTS]; empty when no word is left."""
    words = " ".join(EVENT.sub(" ", transcript).split()).upper()
    return words if has_words(words) else ""


def _utterance(turn: Turn, emotion: Emotion, transcript: str) -> Utterance:
    dialog, _, number = turn.id.rpartition("_")
    audio = turn.file.parents[2] / "sentences" / "wav" / dialog / f"{turn.id}.wav"
    if not audio.is_file():
        raise CorpusError(f"{turn.file}:{turn.line}: audio {audio} does not exist: unpack the full release of IEMOCAP")
    # Kaldi's text has a line for every utterance: events stand in where nothing was said.
    text = _words(transcript) or " ".join(EVENT.findall(transcript)).upper().strip() or "UNINTELLIGIBLE"
    # The letter before the number: the dialog's own says whose motion was captured, not who speaks.
    speaker, gender = f"Ses0{turn.session}{number[0]}", number[0].lower()
    return Utterance(turn.id, speaker, gender, audio, text, emotion, turn.session)
