"""RAVDESS (Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391) as data directories."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import librosa
import numpy as np

from emotrace.corpus.audio import SAMPLE_RATE, decode_audio
from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Trial, Utterance
from emotrace.corpus.files import files_below, is_audio
from emotrace.corpus.importers import Imported
from emotrace.corpus.importers.writing import write_import
from emotrace.corpus.protocol import same_gender_trials

NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)\.(wav|flac)", re.IGNORECASE)
EMOTIONS = {1: Emotion.NEUTRAL, 2: Emotion.NEUTRAL, 3: Emotion.HAPPY, 4: Emotion.SAD, 5: Emotion.ANGRY}
SKIPPED = {6: "fearful", 7: "disgust", 8: "surprised"}
STATEMENTS = {1: "KIDS ARE TALKING BY THE DOOR", 2: "DOGS ARE SITTING BY THE DOOR"}
FIRST_TEST_ACTOR, LAST_ACTOR = 13, 24
FOLDS = 3  # of the test actors: a man and a woman of consecutive numbers share one, two pairs each
TRIM_DB, MARGIN_SECONDS = 40, 0.1
# The longest original is 5.3 s of 48 kHz audio, half a megabyte; anything far beyond is no RAVDESS recording.
LARGEST_MEMBER = 50_000_000


class Recording(NamedTuple):
    """One speech recording: what its name says, with its place in the tree as path, and how to read its bytes."""

    utterance: Utterance
    emotion_code: int
    read: Callable[[], bytes]


def import_ravdess(source: str | Path, target: str | Path, *, trim: bool = True) -> Imported:
    """Import a folder (48 kHz WAV or 16 kHz FLAC) or the original zip as data directories in `target`.

    They are train (actors 01-12), train-first (their first repetitions), train-01 (their statement 01 alone), test
    (actors 13-24) and test-02 (their statement 02 alone). Test has folds and trials (enrolment: neutral and calm
    renderings of statement 01; trials: those of statement 02; same gender). Calm counts as neutral; fearful, disgust
    and surprised are left out and counted in `target`/import.json. `trim` cuts silence 40 dB below the peak, keeping
    0.1 s.
    A zip is read member by member and never unpacked. Raises as every `Importer` does.
    """
    source, target = Path(source), Path(target)
    recordings = _recordings(source)
    chosen = [recording.utterance for recording in recordings if recording.emotion_code in EMOTIONS]
    if not chosen:
        raise CorpusError(f"{source}: not a RAVDESS tree: no audio named like Actor_01/03-01-01-01-01-01-01.wav")
    train = tuple(utterance for utterance in chosen if utterance.fold is None)
    test = tuple(utterance for utterance in chosen if utterance.fold is not None)
    counts = Counter(recording.emotion_code for recording in recordings)
    summary = {
        "corpus": "RAVDESS",
        "trim": trim,
        "imported": {"train": len(train), "test": len(test)},
        "skipped": {name: counts[code] for code, name in SKIPPED.items()},
    }
    readers = {recording.utterance.id: recording.read for recording in recordings}

    def waveform(utterance: Utterance) -> np.ndarray:
        samples = decode_audio(io.BytesIO(readers[utterance.id]()), name=utterance.path.stem)
        # Resampling a recording that reaches full scale overshoots it by a fraction of a decibel.
        return np.clip(trimmed(samples) if trim else samples, -1, 1)

    first = tuple(utterance for utterance in train if NAME.fullmatch(utterance.path.name)[6] == "01")
    one = tuple(utterance for utterance in train if utterance.text == STATEMENTS[1])
    other = tuple(utterance for utterance in test if utterance.text == STATEMENTS[2])
    parts = {"train": train, "train-first": first, "train-01": one, "test-02": other}
    planned = [DataDir(target / name, part) for name, part in parts.items()]
    planned += [DataDir(target / "test", test, *_verification(test))]
    return write_import(target, planned, summary, waveform)


def trimmed(waveform: np.ndarray) -> np.ndarray:
    """Waveform (T,) at 16 kHz without leading and trailing silence (40 dB below its peak), 0.1 s of it kept."""
    _, (start, end) = librosa.effects.trim(waveform, top_db=TRIM_DB)
    margin = round(MARGIN_SECONDS * SAMPLE_RATE)
    return waveform[max(0, start - margin) : end + margin]


def _verification(utterances: tuple[Utterance, ...]) -> tuple[tuple[str, ...], tuple[Trial, ...]]:
    """Enrolment utterances and same-gender trials of neutral and calm speech; the statements differ between them."""
    neutral = [utterance for utterance in utterances if utterance.emotion is Emotion.NEUTRAL]
    enrolment = [utterance for utterance in neutral if utterance.text == STATEMENTS[1]]
    trials = same_gender_trials(enrolment, (utterance for utterance in neutral if utterance.text == STATEMENTS[2]))
    return tuple(utterance.id for utterance in enrolment), tuple(trials)


def _recordings(source: Path) -> list[Recording]:
    """Every audio file of the folder or zip, sorted by utterance.

    Raises CorpusError for a name that no RAVDESS speech recording has, and for one that occurs twice.
    """
    if source.is_file():
        files = _zip_files(source)
    elif source.is_dir():
        files = ((file.relative_to(source).as_posix(), file.read_bytes) for file in files_below(source))
    else:
        raise CorpusError(f"{source}: no such folder or zip file")
    recordings = [_parse(source, path, read) for name, read in files if is_audio(path := PurePosixPath(name))]
    for name, count in Counter(recording.utterance.path.stem for recording in recordings).items():
        if count > 1:
            raise CorpusError(f"{source}: {name} occurs {count} times: keep one copy of the tree")
    return sorted(recordings, key=lambda recording: recording.utterance.id)


def _parse(source: Path, path: PurePosixPath, read: Callable[[], bytes]) -> Recording:
    match = NAME.fullmatch(path.name)
    if not match:
        raise CorpusError(f"{source}: not a RAVDESS tree: '{path}' is not named like 03-01-01-01-01-01-01.wav")
    modality, channel, emotion, _, statement, _, actor = (int(code) for code in match.groups()[:7])
    if (modality, channel) != (3, 1):
        raise CorpusError(f"{source}: '{path}' is not audio-only speech (03-01): import the speech archive alone")
    if emotion not in EMOTIONS and emotion not in SKIPPED:
        raise CorpusError(f"{source}: '{path}' has the unknown emotion code {emotion:02d}: RAVDESS has 01 to 08")
    if statement not in STATEMENTS or not 1 <= actor <= LAST_ACTOR:
        raise CorpusError(f"{source}: '{path}' has an unknown statement {statement:02d} or actor {actor:02d}")
    utterance = Utterance(
        # The speaker leads, so that sorting by utterance also sorts by speaker, as Kaldi wants.
        id=f"actor{actor:02d}-{path.stem}",
        speaker=f"actor{actor:02d}",
        gender="m" if actor % 2 else "f",
        path=Path(path),
        text=STATEMENTS[statement],
        emotion=EMOTIONS.get(emotion),
        fold=None if actor < FIRST_TEST_ACTOR else str((actor - FIRST_TEST_ACTOR) // 2 % FOLDS + 1),
    )
    return Recording(utterance, emotion, read)


def _zip_files(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    try:
        archive = zipfile.ZipFile(source)
    except zipfile.BadZipFile as error:
        raise CorpusError(f"{source}: neither a folder nor a readable zip file: {error}") from error
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise CorpusError(f"{source}: member '{member.filename}' points outside the archive")
        if member.file_size > LARGEST_MEMBER:
            raise CorpusError(f"{source}: member '{member.filename}' is too large for a recording")
        if not member.is_dir():
            yield str(path), partial(_member_bytes, source, archive, member)


def _member_bytes(source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, zipfile.zlib.error, RuntimeError) as error:
        raise CorpusError(f"{source}: member '{member.filename}' cannot be read: {error}") from error
