"""IEMOCAP's full release (Busso et al. 2008, doi:10.1007/s10579-008-9076-6) as one data directory with five folds."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from tqdm import tqdm

from emotrace.corpus.audio import load_audio, save_audio
from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Utterance, write_datadir
from emotrace.corpus.importers.emo_evaluation import Turn, read_emo_evaluation
from emotrace.corpus.files import atomic_folder, write_text_atomic

SESSIONS = ("1", "2", "3", "4", "5")
EXCITED = "exc"
# What four-class work on all five sessions counts: hap 595 and exc 1041 of them.
KNOWN_TOTALS = {"sad": 1084, "neu": 1708, "ang": 1103, "hap": 595, "exc": 1041}
TRANSCRIPT = re.compile(r"(\S+)\s+\[[^]]*\]:\s*(.*)")
EVENT = re.compile(r"\[([^]]*)\]")


class Happy(StrEnum):
    """What the class "hap" is made of."""

    WITH_EXCITED = "happiness and excitement"
    ALONE = "happiness"


SOURCES = {
    Happy.WITH_EXCITED: "as SpeechBrain's IEMOCAP recipe (recipes/IEMOCAP/emotion_recognition/iemocap_prepare.py: exc "
    "becomes hap, 5531 utterances), whose model VoicePrivacy 2024's emotion recogniser is by its class; VoicePrivacy "
    "does not state it, and its lists could not be checked",
    Happy.ALONE: "on request; not what SpeechBrain's recipe does",
}


@dataclass(frozen=True)
class IemocapReport:
    """What became of the turns: counts by class, by label left out, and what does not add up.

    Attributes:
        happy: what "hap" is made of. sessions: those found.
        turns: all labelled turns; imported: by class; left_out: by label ("xxx": annotators disagree).
        excited: how many of the class hap were excitement.
        without_words: turns whose transcript names only events; the names stand in for words.
        inconsistent: turns whose header is not the majority of their evaluators, "TURN: header, majority"; None where
            it was not looked for.
        warnings: sentences.
    """

    happy: Happy
    sessions: tuple[str, ...]
    turns: int
    imported: dict[str, int]
    left_out: dict[str, int]
    excited: int
    without_words: int
    inconsistent: tuple[str, ...] | None
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report for reading."""
        counts = ", ".join(f"{name} {count}" for name, count in self.imported.items())
        left = ", ".join(f"{name} {count}" for name, count in self.left_out.items()) or "none"
        checked = [] if self.inconsistent is None else [f"label is not the majority: {len(self.inconsistent)} turns"]
        total = sum(self.imported.values())
        return [
            f"sessions {', '.join(self.sessions)}: {self.turns} turns, {total} imported: {counts}",
            f"hap is {self.happy} ({self.excited} excited), {SOURCES[self.happy]}",
            f"left out: {left} (xxx: no majority among the annotators)",
            *checked,
            *(f"warning: {warning}" for warning in self.warnings),
        ]


def import_iemocap(
    source: str | Path, target: str | Path, *, happy: Happy = Happy.WITH_EXCITED, check_majority: bool = False
) -> tuple[DataDir, IemocapReport]:
    """Import IEMOCAP_full_release (the folder of Session1 ... Session5, or any of them) as the data directory `target`.

    Four classes: sad, neu, ang, hap, by the header of each turn, which is the majority of its evaluators. Excitement
    counts as happiness by default (`SOURCES` says why); other labels, and "xxx" where the evaluators disagree, are
    left out and counted. `check_majority` recounts the votes and reports the turns whose header differs; labels stay.
    The speaker is the last letter of the turn's id; folds are the sessions, "1" to "5", for leave-one-session-out.
    VoicePrivacy's IEMOCAP_dev and IEMOCAP_test divide these turns further, by lists that are not part of the release:
    read those with `DataDir.read`.
    The report also stands in `target`/import.json; five whole sessions with other totals than usual are a warning.
    All of `target` appears at once or not at all. Raises CorpusError with file and line if this is not the full
    release, AudioError, FileExistsError if `target` is not empty.
    """
    source, target, happy = Path(source), Path(target), Happy(happy)
    turns = [turn for file in _label_files(source) for turn in read_emo_evaluation(file)]
    classes = {emotion.value: emotion for emotion in Emotion}
    if happy is Happy.WITH_EXCITED:
        classes[EXCITED] = Emotion.HAPPY
    kept = [turn for turn in turns if turn.label in classes]
    texts = _texts(kept)
    chosen = [_utterance(turn, classes[turn.label], texts[turn.id]) for turn in kept]
    report = _report(turns, classes, happy, sum(not _words(text) for text in texts.values()), check_majority)
    with atomic_folder(target) as folder:
        progress = tqdm(chosen, desc="IEMOCAP", unit="file", disable=None)
        write_datadir(folder, [_import_one(utterance, folder / "wav") for utterance in progress])
        summary = {"corpus": "IEMOCAP", "source": SOURCES[happy], **asdict(report)}
        write_text_atomic(folder / "import.json", json.dumps(summary, indent=2) + "\n")
    return DataDir.read(target), report


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


def _texts(turns: list[Turn]) -> dict[str, str]:
    """Transcript of every turn, as released."""
    files = {turn.file: turn.file.parents[1] / "transcriptions" / turn.file.name for turn in turns}
    spoken = {file: _transcripts(transcripts) for file, transcripts in files.items()}
    if silent := [turn for turn in turns if turn.id not in spoken[turn.file]]:
        first = silent[0]
        raise CorpusError(f"{files[first.file]}: has no transcript of '{first.id}': restore the file")
    return {turn.id: spoken[turn.file][turn.id] for turn in turns}


def _transcripts(file: Path) -> dict[str, str]:
    """Turn to transcript as released; lines of other form are remarks."""
    if not file.is_file():
        raise CorpusError(f"{file}: does not exist: unpack the full release of IEMOCAP")
    # A few curly quotes are not UTF-8; they are no words either.
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return {match.group(1): match.group(2) for line in lines if (match := TRANSCRIPT.match(line))}


def _words(transcript: str) -> str:
    """Upper case without [EVENTS]; empty when no word is left."""
    words = " ".join(EVENT.sub(" ", transcript).split()).upper()
    return words if any(character.isalnum() for character in words) else ""


def _utterance(turn: Turn, emotion: Emotion, transcript: str) -> Utterance:
    audio = turn.file.parents[2] / "sentences" / "wav" / turn.dialog / f"{turn.id}.wav"
    if not audio.is_file():
        raise CorpusError(f"{turn.file}:{turn.line}: audio {audio} does not exist: unpack the full release of IEMOCAP")
    # Kaldi's text has a line for every utterance: events stand in where nothing was said.
    text = _words(transcript) or " ".join(EVENT.findall(transcript)).upper().strip() or "UNINTELLIGIBLE"
    return Utterance(turn.id, turn.speaker, turn.gender, audio, text, emotion, turn.session)


def _import_one(utterance: Utterance, folder: Path) -> Utterance:
    file = folder / f"{utterance.id}.flac"
    save_audio(file, load_audio(utterance.path))
    return replace(utterance, path=file)


def _report(
    turns: list[Turn], classes: dict[str, Emotion], happy: Happy, without_words: int, check: bool
) -> IemocapReport:
    labels = Counter(turn.label for turn in turns)
    imported = {str(e): sum(labels[label] for label, name in classes.items() if name is e) for e in Emotion}
    differing = tuple(f"{turn.id}: {turn.label}, {turn.majority}" for turn in turns if turn.label != turn.majority)
    sessions = tuple(sorted({turn.session for turn in turns}))
    return IemocapReport(
        happy=happy,
        sessions=sessions,
        turns=len(turns),
        imported=imported,
        left_out={label: labels[label] for label in sorted(labels) if label not in classes},
        excited=labels[EXCITED] if EXCITED in classes else 0,
        without_words=without_words,
        inconsistent=differing if check else None,
        warnings=_surprises(labels) if sessions == SESSIONS else (),
    )


def _surprises(labels: Counter[str]) -> tuple[str, ...]:
    wrong = [
        f"{name} {labels[name]} instead of {known}" for name, known in KNOWN_TOTALS.items() if labels[name] != known
    ]
    return (f"all five sessions are there, but not with the known totals: {', '.join(wrong)}",) if wrong else ()
