"""Plain folders of audio in the place of data directories: a table of labels says what is in them."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import replace
from pathlib import Path

from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, write_datadir
from emotrace.corpus.files import files_below, is_audio, write_text_atomic
from emotrace.corpus.importers.wavs import LABELS, OPTIONAL, REQUIRED, import_wavs


def directory_of(folder: Path, work: Path, *, labels: Path | None = None, like: DataDir | None = None) -> DataDir:
    """The data directory that a folder is, or one that refers to its audio.

    Args:
        folder: a data directory, or a folder of WAV or FLAC files, subfolders and all.
        work: where data directories are made, each once for the same names and labels.
        labels: the table of `wavs.read_labels`; None for labels.csv in the folder.
        like: recordings of which the folder holds a copy. Without a table its files are called as their utterances.

    Raises:
        CorpusError: no folder, no table, or every problem of the table and of the audio that it names.
    """
    if (folder / "wav.scp").exists():
        return DataDir.read(folder)
    table = folder / LABELS if labels is None else labels
    audio = audio_below(folder)
    names = "\n".join(map(str, audio))
    if table.is_file():
        target = _place(work, folder, names, table.read_bytes())
        if not target.exists():
            import_wavs(folder, target, labels=table)
    elif like is not None and labels is None:
        target = _place(work, folder, names, like.content_hash().encode())
        if not target.exists():
            files = _by_utterance(folder, audio, like)
            renamed = [replace(utterance, path=files[utterance.id]) for utterance in like]
            write_datadir(target, renamed, enrolment=like.enrolment, trials=like.trials)
    else:
        raise CorpusError(
            f"{folder}: no data directory (no wav.scp), and there is no table {table} that says who speaks: "
            f"`emotrace labels {folder}` writes one to fill in; --labels names one for all folders"
        )
    return DataDir.read(target)


def audio_below(folder: Path) -> list[Path]:
    """Every audio file below a folder, relative to it, sorted. Raises CorpusError where there is none."""
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder: give a data directory, or a folder of WAV or FLAC files")
    if not (files := sorted(file.relative_to(folder) for file in files_below(folder) if is_audio(file))):
        raise CorpusError(f"{folder}: holds no audio: give a data directory, or a folder of WAV or FLAC files")
    return files


def _place(work: Path, folder: Path, names: str, labels: bytes) -> Path:
    """Where the data directory of a folder with these files and labels is made; it is called as the folder is."""
    content = f"{folder.absolute()}\n{names}\n".encode() + labels
    return work / "folders" / hashlib.sha256(content).hexdigest()[:16] / folder.resolve().name


def _by_utterance(folder: Path, audio: list[Path], like: DataDir) -> dict[str, Path]:
    """The file of each utterance, by name. Raises CorpusError where some have none, or more than one."""
    files: dict[str, list[Path]] = {}
    for file in audio:
        files.setdefault(file.stem, []).append(file)
    names = [utterance.id for utterance in like]
    if missing := [name for name in names if name not in files]:
        raise CorpusError(
            f"{folder}: holds no audio of {len(missing)} of {len(names)} utterances of {like.path}, first "
            f"'{missing[0]}': call the files as the utterances, or say by --labels which is which"
        )
    if several := [name for name in names if len(files[name]) > 1]:
        both = " and ".join(map(str, files[several[0]]))
        raise CorpusError(f"{folder}: {len(several)} utterances have several files, first {both}: remove one of them")
    return {name: folder.absolute() / files[name][0] for name in names}


def write_label_template(folder: Path, target: Path | None = None) -> tuple[Path, int]:
    """Write a table with a line for each audio file of a folder, and what can be read off names, for the user to fill.

    The speaker is the first subfolder, or else what stands before the first "-" or "_" of the name; text is that of a
    .txt file of the same name. Returns the table, by default labels.csv in the folder, and the number of its lines.
    Raises CorpusError where there is no audio, FileExistsError where the table is there already.
    """
    files = audio_below(folder)
    target = folder / LABELS if target is None else target
    if target.exists():
        raise FileExistsError(f"{target}: is there already; fill it in, or name another by --out")
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    columns = (*REQUIRED, *OPTIONAL[: OPTIONAL.index("fold")])
    writer.writerow(columns)
    for file in files:
        text = (folder / file).with_suffix(".txt")
        known = {"file": file.as_posix(), "speaker": _speaker(file)}
        known |= {"text": " ".join(text.read_text(encoding="utf-8").split())} if text.is_file() else {}
        writer.writerow([known.get(name, "") for name in columns])
    write_text_atomic(target, table.getvalue())
    return target, len(files)


def to_fill_in() -> str:
    """What the user has to write into the template, in a sentence or two."""
    emotions = ", ".join(emotion.value for emotion in Emotion)
    return (
        f"check speaker; fill in gender (f or m); emotion is one of {emotions}, text is what is said: "
        "leave a column empty that you do not know, and what needs it is not measured"
    )


def _speaker(file: Path) -> str:
    """Who speaks, by the name of a file."""
    if len(file.parts) > 1:
        return file.parts[0]
    return file.stem.replace("_", "-").partition("-")[0]
