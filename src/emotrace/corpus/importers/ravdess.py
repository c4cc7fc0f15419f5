"""RAVDESS (Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391) as data directories."""

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import librosa
import numpy as np
from tqdm import tqdm

from emotrace.corpus.audio import SAMPLE_RATE, decode_audio, save_audio
from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Trial, Utterance, write_datadir
from emotrace.corpus.files import atomic_folder, files_below, is_audio, write_text_atomic
from emotrace.corpus.protocol import same_gender_trials

NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)\.(wav|flac)", re.IGNORECASE)
EMOTIONS = {1: Emotion.NEUTRAL, 2: Emotion.NEUTRAL, 3: Emotion.HAPPY, 4: Emotion.SAD, 5: Emotion.ANGRY}
SKIPPED = {6: "fearful", 7: "disgust", 8: "surprised"}
STATEMENTS = {1: "KIDS ARE TALKING BY THE DOOR", 2: "DOGS ARE SITTING BY THE DOOR"}
FIRST_TEST_ACTOR, LAST_ACTOR = 13, 24
FOLDS = 3
TRIM_DB, MARGIN_SECONDS = 40, 0.1
# The longest original is 5.3 s of 48 kHz audio, half a megabyte; anything far beyond is no RAVDESS recording.
LARGEST_MEMBER = 50_000_000


@dataclass(frozen=True)
class Recording:
    """One speech recording: what its name says, and how to open it."""

    name: str
    emotion_code: int
    statement: int
    actor: int
    read: Callable[[], bytes]

    @property
    def speaker(self) -> str:
        return f"actor{self.actor:02d}"

    @property
    def gender(self) -> str:
        return "m" if self.actor % 2 else "f"

    @property
    def id(self) -> str:
        """The speaker leads, so that sorting by utterance also sorts by speaker, as Kaldi wants."""
        return f"{self.speaker}-{self.name}"

    @property
    def fold(self) -> str | None:
        """Fold of a test actor, "1" to "3": a man and a woman of consecutive numbers share a fold, two pairs each."""
        if self.actor < FIRST_TEST_ACTOR:
            return None
        return str((self.actor - FIRST_TEST_ACTOR) // 2 % FOLDS + 1)


def import_ravdess(source: str | Path, target: str | Path, *, trim: bool = True) -> dict[str, DataDir]:
    """Import a folder (48 kHz WAV or 16 kHz FLAC) or the original zip as `target`/train and `target`/test.

    Actors 01-12 are train, 13-24 test, and test has folds and trials (enrolment: neutral and calm renderings of
    statement 01; trials: those of statement 02; same gender). Calm counts as neutral; fearful, disgust and surprised
    are left out and counted in `target`/import.json. `trim` cuts silence 40 dB below the peak, keeping 0.1 s.
    All of `target` appears at once or not at all. A zip is read member by member and never unpacked.
    Raises CorpusError if this is not a RAVDESS speech tree, AudioError on unreadable audio, FileExistsError if
    `target` holds something.
    """
    source, target = Path(source), Path(target)
    recordings, skipped = _select(source, list(_recordings(source)))
    with atomic_folder(target) as folder:
        splits: dict[str, list[tuple[Recording, Utterance]]] = {"train": [], "test": []}
        for recording in tqdm(recordings, desc=f"RAVDESS -> {target}", unit="file"):
            split = "test" if recording.actor >= FIRST_TEST_ACTOR else "train"
            splits[split].append((recording, _import_one(recording, folder / split / "wav", trim)))
        for split, pairs in splits.items():
            if pairs:
                enrolment, trials = verification([r for r, _ in pairs]) if split == "test" else ([], [])
                write_datadir(folder / split, [u for _, u in pairs], enrolment=enrolment, trials=trials)
        counts = {split: len(pairs) for split, pairs in splits.items()}
        summary = {"corpus": "RAVDESS", "trim": trim, "imported": counts, "skipped": skipped}
        write_text_atomic(folder / "import.json", json.dumps(summary, indent=2) + "\n")
    return {split: DataDir.read(target / split) for split, pairs in splits.items() if pairs}


def verification(recordings: list[Recording]) -> tuple[list[str], list[Trial]]:
    """Enrolment utterances and same-gender trials of neutral and calm speech; the statements differ between them."""
    calm = sorted((r for r in recordings if EMOTIONS[r.emotion_code] is Emotion.NEUTRAL), key=lambda r: r.id)
    enrolment = [r for r in calm if r.statement == 1]
    return [r.id for r in enrolment], same_gender_trials(enrolment, [r for r in calm if r.statement == 2])


def _select(source: Path, recordings: list[Recording]) -> tuple[list[Recording], dict[str, int]]:
    """The recordings of the four classes, sorted, and how many of the other emotions were left out."""
    names = Counter(recording.name for recording in recordings)
    if repeated := [name for name, count in names.items() if count > 1]:
        raise CorpusError(f"{source}: {repeated[0]} occurs {names[repeated[0]]} times: keep one copy of the tree")
    skipped = Counter(SKIPPED[r.emotion_code] for r in recordings if r.emotion_code in SKIPPED)
    chosen = sorted((r for r in recordings if r.emotion_code in EMOTIONS), key=lambda r: r.id)
    if not chosen:
        raise CorpusError(f"{source}: not a RAVDESS tree: no audio named like Actor_01/03-01-01-01-01-01-01.wav")
    return chosen, {name: skipped[name] for name in SKIPPED.values()}


def _recordings(source: Path) -> Iterator[Recording]:
    """Every audio file of the folder or zip; CorpusError on a name that no RAVDESS speech recording has."""
    for name, read in _zip_files(source) if source.is_file() else _folder_files(source):
        if is_audio(path := PurePosixPath(name)):
            yield _parse(source, path, read)


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
    return Recording(path.stem, emotion, statement, actor, read)


def _folder_files(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    if not source.is_dir():
        raise CorpusError(f"{source}: no such folder or zip file")
    for file in files_below(source):
        yield file.relative_to(source).as_posix(), file.read_bytes


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
            yield str(path), lambda member=member: _member_bytes(source, archive, member)


def _member_bytes(source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, zipfile.zlib.error, RuntimeError) as error:
        raise CorpusError(f"{source}: member '{member.filename}' cannot be read: {error}") from error


def _import_one(recording: Recording, folder: Path, trim: bool) -> Utterance:
    """Decode, resample, trim and save one recording."""
    waveform = decode_audio(io.BytesIO(recording.read()), name=recording.name)
    file = folder / f"{recording.id}.flac"
    # Resampling a recording that reaches full scale overshoots it by a fraction of a decibel.
    save_audio(file, np.clip(trimmed(waveform) if trim else waveform, -1, 1))
    return Utterance(
        id=recording.id,
        speaker=recording.speaker,
        gender=recording.gender,
        path=file,
        text=STATEMENTS[recording.statement],
        emotion=EMOTIONS[recording.emotion_code],
        fold=recording.fold,
    )


def trimmed(waveform: np.ndarray) -> np.ndarray:
    """Waveform (T,) at 16 kHz without leading and trailing silence (40 dB below its peak), 0.1 s of it kept."""
    _, (start, end) = librosa.effects.trim(waveform, top_db=TRIM_DB)
    margin = round(MARGIN_SECONDS * SAMPLE_RATE)
    return waveform[max(0, start - margin) : end + margin]
