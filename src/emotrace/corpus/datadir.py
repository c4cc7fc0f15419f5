"""Kaldi-style data directories, as VoicePrivacy uses them: the one format of every corpus here."""

import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from emotrace.corpus.files import atomic_file, write_text_atomic
from emotrace.corpus.kaldi import FORMATS, CorpusError, Emotion, Tables, audio_path, metadata_problems, read_tables


@dataclass(frozen=True)
class Utterance:
    """One recording: `gender` is "f" or "m", `path` its audio; what the corpus does not know is None."""

    id: str
    speaker: str
    gender: str
    path: Path
    text: str | None = None
    emotion: Emotion | None = None
    fold: str | None = None


@dataclass(frozen=True)
class Trial:
    """The claim that `utterance` is spoken by `speaker`; `target` when it is true."""

    speaker: str
    utterance: str
    target: bool


@dataclass(frozen=True)
class DataDir:
    """A data directory: utterances sorted by id, enrolment utterance ids, trials."""

    path: Path
    utterances: tuple[Utterance, ...]
    enrolment: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()

    @classmethod
    def read(cls, path: str | Path, *, require_audio: bool = True) -> "DataDir":
        """Read and check the Kaldi files of `path`; the samples themselves are checked by `validate`.

        Raises CorpusError with the file and line of the first problem. `require_audio=False` reads bare lists.
        """
        path = Path(path)
        tables = read_tables(path)
        if problems := metadata_problems(path, tables, require_audio=require_audio):
            more = f" (and {len(problems) - 1} more problems: validate the directory)" if len(problems) > 1 else ""
            raise CorpusError(f"{problems[0]}{more}")
        trials = (Trial(*key.split(), target=label == "target") for key, label, _ in tables["trials"])
        return cls(path, _utterances(path, tables), tuple(tables["enrolls"].cells), tuple(trials))

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, utterance_id: str) -> Utterance:
        if utterance_id not in self._index:
            raise KeyError(f"no utterance '{utterance_id}' in {self.path}")
        return self._index[utterance_id]

    @cached_property
    def _index(self) -> dict[str, Utterance]:
        return {utterance.id: utterance for utterance in self.utterances}

    @cached_property
    def speakers(self) -> tuple[str, ...]:
        """The speakers, sorted."""
        return tuple(sorted({utterance.speaker for utterance in self.utterances}))

    def content_hash(self) -> str:
        """SHA-256 over metadata and audio bytes. The place of the directory and of its audio does not matter."""
        digest = hashlib.sha256()
        for u in self.utterances:
            metadata = [u.id, u.speaker, u.gender, u.text, u.emotion, u.fold]
            digest.update(json.dumps(metadata).encode() + hashlib.sha256(u.path.read_bytes()).digest())
        trials = [[trial.speaker, trial.utterance, trial.target] for trial in self.trials]
        digest.update(json.dumps([list(self.enrolment), trials]).encode())
        return digest.hexdigest()


def write_datadir(
    path: str | Path,
    utterances: Iterable[Utterance],
    *,
    enrolment: Iterable[str] = (),
    trials: Iterable[Trial] = (),
) -> DataDir:
    """Write sorted Kaldi files to `path` and read them back; audio below `path` is named relative to it.

    wav.scp goes last, so an interrupted write leaves no readable directory. Each file is written atomically.
    Raises CorpusError as `DataDir.read` does, and on duplicate ids or values that a Kaldi line cannot hold.
    """
    path = Path(path)
    utterances = sorted(utterances, key=lambda utterance: utterance.id)
    files = _kaldi_files(path, utterances, sorted(enrolment), trials)
    path.mkdir(parents=True, exist_ok=True)
    for name in FORMATS:
        (path / name).unlink(missing_ok=True)
    for name in sorted(files, key=lambda name: name == "wav.scp"):
        write_text_atomic(path / name, "".join(f"{line}\n" for line in files[name]))
    return DataDir.read(path)


def write_anonymised(source: DataDir, path: str | Path, audio: Mapping[str, Path] | Path) -> DataDir:
    """A copy of `source` at `path` whose audio, in wav/, is `audio`: utterance id to file, or a folder of ID.flac/.wav.

    Raises CorpusError when an utterance has no audio, or when `path` is `source` plus a suffix that contains "asr":
    VoicePrivacy's evaluation skips such directories silently.
    """
    path = Path(path)
    refuse_asr_suffix(source.path, path)
    files = audio if isinstance(audio, Mapping) else _audio_folder(Path(audio), source)
    if missing := [utterance.id for utterance in source if utterance.id not in files]:
        raise CorpusError(f"{path}: no anonymised audio of {len(missing)} utterances, first '{missing[0]}'")
    copies = [_with_audio(utterance, Path(files[utterance.id]), path / "wav") for utterance in source]
    if (source.path / "truth.csv").is_file():
        write_text_atomic(path / "truth.csv", (source.path / "truth.csv").read_text(encoding="utf-8"))
    return write_datadir(path, copies, enrolment=source.enrolment, trials=source.trials)


def refuse_asr_suffix(source: Path, path: Path) -> None:
    """Raise CorpusError when `path` is named like `source` with a suffix that contains "asr".

    check_kaldi_formart_data in utils/prepare_results_in_kaldi_format.py of Voice-Privacy-Challenge-2024 passes over
    such directories ('asr' not in folder).
    """
    suffix = path.name.removeprefix(source.name) if path.name.startswith(source.name) else ""
    if "asr" in suffix.lower():
        raise CorpusError(
            f"{path}: the suffix '{suffix}' contains 'asr', which VoicePrivacy's evaluation skips; choose another name"
        )


def _utterances(path: Path, tables: Tables) -> tuple[Utterance, ...]:
    """The lines of utt2spk with what the other files say of each utterance."""
    return tuple(
        Utterance(
            id=key,
            speaker=speaker,
            gender=tables["spk2gender"].cells[speaker].value,
            path=audio_path(path, tables["wav.scp"].cells[key].value),
            text=tables["text"].get(key),
            emotion=None if (emotion := tables["utt2emo"].get(key)) is None else Emotion(emotion),
            fold=tables["spk2fold"].get(speaker),
        )
        for key, speaker, _ in tables["utt2spk"]
    )


def _kaldi_files(
    path: Path, utterances: list[Utterance], enrolment: list[str], trials: Iterable[Trial]
) -> dict[str, list[str]]:
    """The lines of every Kaldi file; optional files only where something is known."""
    speakers: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        speakers[utterance.speaker].append(utterance)
    by_speaker = sorted(speakers.items())
    folds = {speaker: _only(spoken, "fold") for speaker, spoken in by_speaker}
    files = {
        "utt2spk": [f"{u.id} {u.speaker}" for u in utterances],
        "spk2utt": [f"{speaker} {' '.join(u.id for u in spoken)}" for speaker, spoken in by_speaker],
        "spk2gender": [f"{speaker} {_only(spoken, 'gender')}" for speaker, spoken in by_speaker],
        "text": [f"{u.id} {u.text}" for u in utterances if u.text is not None],
        "utt2emo": [f"{u.id} {u.emotion}" for u in utterances if u.emotion is not None],
        "spk2fold": [f"{speaker} {fold}" for speaker, fold in folds.items() if fold is not None],
        "enrolls": enrolment,
        "trials": [f"{t.speaker} {t.utterance} {'target' if t.target else 'nontarget'}" for t in trials],
        "wav.scp": [f"{u.id} {_entry(u.path, path)}" for u in utterances],
    }
    return {name: lines for name, lines in files.items() if lines or FORMATS[name].required}


def _only(utterances: list[Utterance], attribute: str) -> str | None:
    """The one value of a speaker's attribute."""
    values = {getattr(utterance, attribute) for utterance in utterances}
    if len(values) > 1:
        raise CorpusError(
            f"speaker '{utterances[0].speaker}' has more than one {attribute}: {sorted(map(str, values))}"
        )
    return values.pop()


def _entry(audio: Path, path: Path) -> str:
    audio, folder = Path(os.path.abspath(audio)), Path(os.path.abspath(path))
    return str(audio.relative_to(folder) if audio.is_relative_to(folder) else audio)


def _audio_folder(folder: Path, source: DataDir) -> dict[str, Path]:
    candidates = ((u.id, folder / f"{u.id}{suffix}") for u in source for suffix in (".wav", ".flac"))
    return {key: file for key, file in candidates if file.is_file()}


def _with_audio(utterance: Utterance, file: Path, folder: Path) -> Utterance:
    """`utterance` with `file` as its audio, copied into `folder` unless it is there."""
    target = folder / f"{utterance.id}{file.suffix}"
    if not target.exists() or not file.samefile(target):
        with atomic_file(target) as temporary:
            shutil.copyfile(file, temporary)
    return replace(utterance, path=target)
