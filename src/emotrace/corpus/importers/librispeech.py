"""LibriSpeech trees (Panayotov et al. 2015, doi:10.1109/ICASSP.2015.7178964) as data directories."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from emotrace.corpus.datadir import CorpusError, DataDir, Trial, Utterance
from emotrace.corpus.importers import Imported
from emotrace.corpus.importers.writing import write_import
from emotrace.corpus.protocol import same_gender_trials

ENROLLED = 2  # utterances of a reader; of the twelve of a short one ten are left, to be joined


def import_librispeech(
    source: str | Path,
    target: str | Path,
    *,
    test_chapters: Sequence[str] = ("124992",),
    test_limit: int | None = 48,
) -> Imported:
    """Import the folder that holds SPEAKERS.TXT as `target`/test, the first `test_limit` utterances of
    `test_chapters`, and `target`/train, all other chapters.

    Utterances of a test chapter beyond the limit go nowhere: a held-out chapter is not trained on. Raises as every
    `Importer` does; CorpusError, with file and line, for an unknown chapter and where audio and transcripts differ.
    """
    source, target = Path(source), Path(target)
    utterances = sorted(_utterances(source), key=lambda utterance: utterance.id)
    chapters = {_chapter(utterance) for utterance in utterances}
    if unknown := sorted(set(test_chapters) - chapters):
        raise CorpusError(f"{source}: holds no chapter {unknown[0]}: it has {', '.join(sorted(chapters))}")
    train = tuple(utterance for utterance in utterances if _chapter(utterance) not in test_chapters)
    test = tuple(utterance for utterance in utterances if _chapter(utterance) in test_chapters)[:test_limit]
    summary = {
        "corpus": "LibriSpeech",
        "test_chapters": list(test_chapters),
        "imported": {"train": len(train), "test": len(test)},
    }
    return write_import(target, [DataDir(target / "train", train), DataDir(target / "test", test)], summary)


def import_readers(
    source: str | Path,
    target: str | Path,
    *,
    speakers: str | Path | None = None,
    limit: int | None = None,
    without: Sequence[str] = (),
    only: str | Path | None = None,
) -> Imported:
    """Import every reader of a folder as the data directory `target`/test, with enrolment and same-gender trials.

    For readers that no model was trained on, as those of dev-clean and test-other. The first two utterances of each
    reader are enrolled; the others are tried against every reader of the same gender. A reader with fewer than three,
    or alone of a gender, is neither.
    The folder is a LibriSpeech tree with transcripts, or one without: then audio files named
    READER-CHAPTER-NUMBER.flac lie anywhere below it, and no utterance has a text. `speakers` is the file SPEAKERS.TXT
    where it is not in the folder; of each reader `limit` utterances are taken, evenly spread, and none of the readers
    `without`; or those whose ids the file `only` lists. Raises as every `Importer` does; CorpusError, with the file,
    for a reader without gender and for other names, where only some chapters have a transcript, and where an utterance
    of `only` is missing.
    """
    source, target = Path(source), Path(target)
    genders = _genders(source / "SPEAKERS.TXT" if speakers is None else Path(speakers))
    if any(source.glob("*/*/*/*.trans.txt")):
        utterances = list(_transcribed(source, genders))
    else:
        utterances = [_untranscribed(audio, genders) for audio in sorted(source.rglob("*.flac"))]
    if missing := set(source.rglob("*.flac")) - {utterance.path for utterance in utterances}:
        raise CorpusError(f"{min(missing)}: its chapter has no transcript: restore it")
    if not utterances:
        raise CorpusError(f"{source}: holds no audio named READER-CHAPTER-NUMBER.flac")
    utterances = sorted((u for u in utterances if u.speaker not in without), key=lambda utterance: utterance.id)
    if only is not None:
        utterances = _listed(utterances, Path(only), source)
    if limit is not None:
        utterances = [one for own in _spoken(utterances).values() for one in own[:: max(1, len(own) // limit)][:limit]]
    enrolment, trials = _verification(utterances)
    summary = {
        "corpus": "LibriSpeech",
        "readers": len({utterance.speaker for utterance in utterances}),
        "imported": {"test": len(utterances)},
        "enrolled": len(enrolment),
        "trials": len(trials),
    }
    return write_import(target, [DataDir(target / "test", tuple(utterances), tuple(enrolment), tuple(trials))], summary)


def _listed(utterances: Sequence[Utterance], file: Path, source: Path) -> list[Utterance]:
    """The utterances that a file lists, in their order here."""
    if not file.is_file():
        raise CorpusError(f"{file}: no such file")
    listed = set(file.read_text(encoding="utf-8").split())
    if missing := sorted(listed - {utterance.id for utterance in utterances}):
        raise CorpusError(f"{source}: lacks {len(missing)} of {len(listed)} utterances of {file}, first {missing[0]}")
    return [utterance for utterance in utterances if utterance.id in listed]


def _verification(utterances: Sequence[Utterance]) -> tuple[list[str], list[Trial]]:
    """Ids of enrolment utterances, and same-gender trials of the others, from utterances sorted by id."""
    long = [own for own in _spoken(utterances).values() if len(own) > ENROLLED]
    genders = Counter(own[0].gender for own in long)
    tried = [own for own in long if genders[own[0].gender] > 1]
    enrolment = [utterance for own in tried for utterance in own[:ENROLLED]]
    trials = same_gender_trials(enrolment, [utterance for own in tried for utterance in own[ENROLLED:]])
    return [utterance.id for utterance in enrolment], trials


def _spoken(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """The utterances of each speaker."""
    spoken: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        spoken.setdefault(utterance.speaker, []).append(utterance)
    return spoken


def _untranscribed(audio: Path, genders: dict[str, str]) -> Utterance:
    reader, *rest = audio.stem.split("-")
    if len(rest) != 2 or reader not in genders:
        raise CorpusError(f"{audio}: expected READER-CHAPTER-NUMBER.flac of a reader in SPEAKERS.TXT")
    return Utterance(audio.stem, reader, genders[reader], audio)


def _chapter(utterance: Utterance) -> str:
    return utterance.id.split("-")[1]


def _utterances(source: Path) -> Iterator[Utterance]:
    """Every utterance of every SUBSET/READER/CHAPTER/READER-CHAPTER.trans.txt; its path is the original audio."""
    yield from _transcribed(source, _genders(source / "SPEAKERS.TXT"))


def _transcribed(source: Path, genders: dict[str, str]) -> Iterator[Utterance]:
    transcripts = sorted(source.glob("*/*/*/*.trans.txt"))
    if not transcripts:
        raise CorpusError(f"{source}: not a LibriSpeech tree: no SUBSET/READER/CHAPTER/READER-CHAPTER.trans.txt")
    for file in transcripts:
        lines = file.read_text(encoding="utf-8").splitlines()
        spoken = [_utterance(file, number, line, genders) for number, line in enumerate(lines, start=1)]
        if extra := sorted(set(file.parent.glob("*.flac")) - {utterance.path for utterance in spoken}):
            raise CorpusError(f"{file}: has no transcript of {extra[0].name}")
        yield from spoken


def _utterance(file: Path, number: int, line: str, genders: dict[str, str]) -> Utterance:
    key, _, text = line.strip().partition(" ")
    reader, *rest = key.split("-")
    if len(rest) != 2 or file.name != f"{reader}-{rest[0]}.trans.txt" or not text.strip():
        raise CorpusError(f"{file}:{number}: expected 'READER-CHAPTER-NUMBER TRANSCRIPT', found {line!r}")
    if reader not in genders:
        raise CorpusError(f"{file}:{number}: reader '{reader}' is not in SPEAKERS.TXT")
    audio = file.parent / f"{key}.flac"
    if not audio.is_file():
        raise CorpusError(f"{file}:{number}: audio {audio.name} does not exist")
    return Utterance(key, reader, genders[reader], audio, text=text.strip().upper())


def _genders(file: Path) -> dict[str, str]:
    """Reader to "f" or "m", from the lines "reader | F or M | subset | minutes | name"."""
    if not file.is_file():
        raise CorpusError(f"{file.parent}: not a LibriSpeech tree: no SPEAKERS.TXT")
    genders = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith(";"):
            continue
        reader, *rest = (part.strip() for part in line.split("|"))
        if not rest or rest[0] not in ("F", "M"):
            raise CorpusError(f"{file}:{number}: expected 'reader | F or M | ...', found {line!r}")
        genders[reader] = rest[0].lower()
    return genders
