"""What the Kaldi files of one directory must say together. Reading and validating share these checks."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from emotrace.corpus.kaldi_tables import Problem, Table

GENDERS = ("f", "m")
PER_UTTERANCE = ("wav.scp", "utt2spk", "text", "utt2emo")
PER_SPEAKER = ("spk2utt", "spk2gender", "spk2fold")


class Emotion(StrEnum):
    """VoicePrivacy's labels in VoicePrivacy's order."""

    SAD = "sad"
    NEUTRAL = "neu"
    ANGRY = "ang"
    HAPPY = "hap"


def metadata_problems(path: Path, tables: dict[str, Table], *, require_audio: bool = True) -> list[Problem]:
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


def audio_path(path: Path, entry: str) -> Path:
    """Where a wav.scp entry of directory `path` points: absolute, else below `path` or its nearest ancestor.

    VoicePrivacy writes entries relative to the folder that holds data/, hence the ancestors.
    """
    folder = path.absolute()
    return next((base / entry for base in (folder, *folder.parents) if (base / entry).is_file()), folder / entry)


def _cells(table: Table) -> Iterator[tuple[str, str, int]]:
    return ((key, cell.value, cell.line) for key, cell in table.cells.items())


def _utterances(tables: dict[str, Table]) -> Iterator[Problem]:
    """The per-utterance files list the same utterances."""
    present = [tables[name] for name in PER_UTTERANCE if tables[name].usable]
    for table in present:
        for utterance, _, line in _cells(table):
            absent = [other.file.name for other in present if not other.knows(utterance)]
            # One line per utterance: only the first file that has it speaks.
            if absent and table is next(other for other in present if other.knows(utterance)):
                yield Problem(table.file, line, f"utterance '{utterance}' is not in {', '.join(absent)}")


def _speakers(tables: dict[str, Table]) -> Iterator[Problem]:
    """Every speaker of utt2spk stands in every per-speaker file, and no other does."""
    first_line = {}
    for _, speaker, line in _cells(tables["utt2spk"]):
        first_line.setdefault(speaker, line)
    missing = {"spk2utt": "is not in spk2utt", "spk2gender": "has no gender in spk2gender"}
    missing["spk2fold"] = "has no fold in spk2fold"
    for table in (tables[name] for name in PER_SPEAKER if tables[name].usable):
        for speaker, line in first_line.items():
            if not table.knows(speaker):
                yield Problem(tables["utt2spk"].file, line, f"speaker '{speaker}' {missing[table.file.name]}")
        for speaker, _, line in _cells(table):
            if table.file.name != "spk2utt" and speaker not in first_line:
                yield Problem(table.file, line, f"speaker '{speaker}' has no utterance in utt2spk")


def _spk2utt(tables: dict[str, Table]) -> Iterator[Problem]:
    """spk2utt is the inverse of utt2spk."""
    utt2spk, spk2utt = tables["utt2spk"], tables["spk2utt"]
    listed: set[tuple[str, str]] = set()
    for speaker, value, line in _cells(spk2utt):
        for utterance in value.split():
            owner = utt2spk.get(utterance)
            if (speaker, utterance) in listed:
                yield Problem(spk2utt.file, line, f"duplicate id '{utterance}' of speaker '{speaker}'")
            elif owner is None and not utt2spk.knows(utterance):
                yield Problem(spk2utt.file, line, f"utterance '{utterance}' of speaker '{speaker}' is not in utt2spk")
            elif owner not in (None, speaker):
                message = f"utterance '{utterance}' is listed for '{speaker}', but utt2spk says '{owner}'"
                yield Problem(spk2utt.file, line, message)
            listed.add((speaker, utterance))
    for utterance, speaker, line in _cells(utt2spk):
        if speaker in spk2utt.cells and (speaker, utterance) not in listed:
            message = f"utterance '{utterance}' is not listed for its speaker '{speaker}' in spk2utt"
            yield Problem(utt2spk.file, line, message)


def _labels(tables: dict[str, Table]) -> Iterator[Problem]:
    for name, what, allowed in (("utt2emo", "emotion", list(Emotion)), ("spk2gender", "gender", GENDERS)):
        for key, value, line in _cells(tables[name]):
            if value not in allowed:
                message = f"unknown {what} '{value}' of '{key}': expected one of {', '.join(allowed)}"
                yield Problem(tables[name].file, line, message)


def _transcripts(tables: dict[str, Table]) -> Iterator[Problem]:
    for utterance, value, line in _cells(tables["text"]):
        if not any(character.isalnum() for character in value):
            yield Problem(tables["text"].file, line, f"empty transcript of utterance '{utterance}'")


def _enrolment(tables: dict[str, Table]) -> Iterator[Problem]:
    for utterance, _, line in _cells(tables["enrolls"]):
        if not tables["utt2spk"].knows(utterance):
            yield Problem(tables["enrolls"].file, line, f"enrolment names unknown utterance '{utterance}'")


def _trials(tables: dict[str, Table]) -> Iterator[Problem]:
    """Trials name known speakers and utterances, their labels are true, and no trial is scored against itself."""
    trials, utt2spk, enrolls = tables["trials"], tables["utt2spk"], tables["enrolls"]
    speakers = {cell.value for cell in utt2spk.cells.values()}
    enrolled = {utt2spk.get(utterance) for utterance in enrolls.cells}
    for key, label, line in _cells(trials):
        speaker, utterance = key.split()
        owner = utt2spk.get(utterance)
        messages = {
            f"trial names unknown speaker '{speaker}'": speaker not in speakers,
            f"trial names unknown utterance '{utterance}'": not utt2spk.knows(utterance),
            f"unknown trial label '{label}': expected target or nontarget": label not in ("target", "nontarget"),
            f"trial is labelled {label}, but '{utterance}' is of speaker '{owner}'": owner is not None
            and label in ("target", "nontarget")
            and (label == "target") != (speaker == owner),
            f"trial speaker '{speaker}' has no enrolment utterance": enrolls.usable
            and speaker in speakers
            and speaker not in enrolled,
            f"trial utterance '{utterance}' is also an enrolment utterance": enrolls.knows(utterance),
        }
        yield from (Problem(trials.file, line, message) for message, wrong in messages.items() if wrong)


def _audio_entries(path: Path, wav_scp: Table, require_audio: bool) -> Iterator[Problem]:
    for utterance, entry, line in _cells(wav_scp):
        if entry.endswith("|"):
            yield Problem(wav_scp.file, line, f"audio of '{utterance}' is a shell command: only files are read")
        elif require_audio and not audio_path(path, entry).is_file():
            yield Problem(wav_scp.file, line, f"missing audio of '{utterance}': {entry} does not exist")
