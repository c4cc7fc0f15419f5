"""VoicePrivacy's data directories: one data set is siblings DATASET_enrolls, DATASET_trials_f and DATASET_trials_m.

Layout and names are those of the VoicePrivacy Challenge 2024 (its README, "Step 1: Anonymization"): data/DIR holds the
Kaldi files and data/DIR<suffix> an anonymised copy of the same, with 16 kHz WAV files in wav/.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from emotrace.corpus.audio import SAMPLE_RATE, load_audio, save_audio
from emotrace.corpus.datadir import CorpusError, DataDir, Utterance, refuse_asr_suffix, write_datadir
from emotrace.corpus.files import atomic_folder, write_text_atomic

ENROLMENT, TRIALS = "_enrolls", {"f": "_trials_f", "m": "_trials_m"}
AUDIO_LIST = "wav.scp"


def vpc_parts(folder: str | Path, dataset: str = "libri_test") -> dict[str, Path]:
    """The directories of a data set by part: "enrolls", "f" and "m", or "all" where it is undivided (IEMOCAP_test).

    Raises CorpusError when nothing of that name is there, or a divided set lacks its enrolment or all of its trials.
    """
    folder = Path(folder)
    names = {"enrolls": ENROLMENT, **TRIALS}
    there = {part: path for part, end in names.items() if (path := folder / f"{dataset}{end}").is_dir()}
    if not there:
        if (folder / dataset).is_dir():
            return {"all": folder / dataset}
        raise CorpusError(
            f"{folder}: neither {dataset} nor {dataset}{ENROLMENT} is there: give VoicePrivacy's data folder"
        )
    if "enrolls" not in there or len(there) == 1:
        missing = f"{dataset}{ENROLMENT}" if "enrolls" not in there else f"{dataset}{TRIALS['f']} and {TRIALS['m']}"
        raise CorpusError(f"{folder}: {missing} is missing: copy all directories of {dataset}")
    return there


def read_vpc(
    folder: str | Path, dataset: str = "libri_test", *, suffix: str = "", require_audio: bool = True
) -> dict[str, DataDir]:
    """The parts of a data set joined: by gender "f" and "m", each with its enrolment and trials, or "all" if undivided.

    An enrolment utterance goes with the gender of its speaker. With `suffix` the anonymised copy is read, and its
    metadata must be the originals': VoicePrivacy takes the trials from the original directory, so a changed list in
    the copy would have no effect. Raises CorpusError as `vpc_parts` and `DataDir.read` do, for a suffix that
    VoicePrivacy mistakes, and for metadata that differ.
    """
    parts = vpc_parts(folder, dataset)
    if suffix:
        originals, parts = parts, {part: _copy(path, suffix) for part, path in parts.items()}
        for part, path in parts.items():
            _require_same_metadata(originals[part], path)
    read = {part: DataDir.read(path, require_audio=require_audio) for part, path in parts.items()}
    if "all" in read:
        return read
    enrolment = read.pop("enrolls")
    return {gender: _joined(enrolment, trials, gender) for gender, trials in read.items()}


def join_vpc(parts: Mapping[str, DataDir], target: str | Path) -> DataDir:
    """Both genders of `read_vpc` as one data directory at `target`, which `emotrace evaluate` takes; audio stays put.

    Raises CorpusError as `write_datadir` does.
    """
    utterances = {utterance.id: utterance for part in parts.values() for utterance in part}
    enrolment = [key for part in parts.values() for key in part.enrolment]
    trials = [trial for part in parts.values() for trial in part.trials]
    return write_datadir(target, utterances.values(), enrolment=enrolment, trials=trials)


def write_vpc(data: DataDir, folder: str | Path, dataset: str) -> dict[str, Path]:
    """Write `data` in VoicePrivacy's layout below `folder`: divided when it has trials, otherwise as DATASET.

    Audio stays where it is. Utterances that are neither enrolled nor tried have no place in a divided set. Returns the
    directories as `vpc_parts` does. Raises CorpusError, before writing, for a trial across genders, an utterance
    without a place, trials without enrolment, or a directory that is there already.
    """
    folder = Path(folder)
    if not data.trials:
        parts = {"all": (dataset, list(data), {})}
    else:
        parts = _divided(data, dataset)
    if occupied := [name for name, _, _ in parts.values() if (folder / name).exists()]:
        raise CorpusError(f"{folder / occupied[0]}: is there already: remove it or choose another name")
    for name, utterances, lists in parts.values():
        write_datadir(folder / name, utterances, **lists)
    return {part: folder / name for part, (name, _, _) in parts.items()}


def write_vpc_anonymised(folder: str | Path, dataset: str, suffix: str, audio: Mapping[str, Path]) -> dict[str, Path]:
    """Write the anonymised copy of every directory of a data set: DIR<suffix> with wav/ and the same metadata files.

    `audio` maps utterance ids to files of any rate; they become 16 kHz WAV. Every file of the original but wav.scp is
    copied byte for byte; wav.scp names data/DIR<suffix>/wav/ID.wav as VoicePrivacy does, relative to the folder above
    `folder`. All directories appear or none. Raises CorpusError for a suffix that VoicePrivacy mistakes, an
    utterance without audio, or a copy that is there already; AudioError.
    """
    parts = vpc_parts(folder, dataset)
    lists = {part: DataDir.read(path, require_audio=False) for part, path in parts.items()}
    copies = {part: _copy(path, suffix) for part, path in parts.items()}
    missing = [utterance.id for data in lists.values() for utterance in data if utterance.id not in audio]
    if missing:
        raise CorpusError(
            f"{copies['all' if 'all' in copies else 'enrolls']}: no anonymised audio of {len(missing)} "
            f"utterances, first '{missing[0]}': anonymise all of {dataset}"
        )
    if occupied := [path for path in copies.values() if path.exists() and any(path.iterdir())]:
        raise CorpusError(f"{occupied[0]}: is there already: remove it or choose another suffix")
    with _together() as written:
        for part, path in copies.items():
            _write_copy(parts[part], path, lists[part], audio)
            written.append(path)
    return copies


def refuse_vpc_suffix(directory: Path, suffix: str) -> None:
    """Raise CorpusError for a suffix with which VoicePrivacy's evaluation would go wrong without a word.

    With "asr" in it the copy is skipped (study section 6). Empty, it is the original. Part of the original's own name,
    it makes the original count as anonymised: whatever has the suffix anywhere in its name does
    (evaluation/utility/ser/evaluate_ser.py and asr/evaluate_asr.py, 'anon' if suffix in name).
    """
    if not suffix:
        raise CorpusError(f"{directory}: an empty suffix would replace the originals: give one like _anon")
    if suffix != "".join(suffix.split()) or "/" in suffix:
        raise CorpusError(f"{directory}: the suffix {suffix!r} is no part of a directory's name: give one like _anon")
    refuse_asr_suffix(directory, directory.with_name(directory.name + suffix))
    if suffix in directory.name:
        raise CorpusError(
            f"{directory}: the suffix '{suffix}' is part of the original's name, so VoicePrivacy would count the "
            "original as anonymised: choose another, like _anon"
        )


@contextmanager
def _together() -> Iterator[list[Path]]:
    """Yield a list of directories; on failure those in it are deleted again."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            shutil.rmtree(path)
        raise


def _copy(directory: Path, suffix: str) -> Path:
    refuse_vpc_suffix(directory, suffix)
    return directory.with_name(directory.name + suffix)


def _metadata(directory: Path) -> dict[str, Path]:
    """Every file of a directory but the list of its audio."""
    return {path.name: path for path in sorted(directory.iterdir()) if path.is_file() and path.name != AUDIO_LIST}


def _require_same_metadata(original: Path, copy: Path) -> None:
    if not copy.is_dir():
        raise CorpusError(f"{copy}: is missing: VoicePrivacy needs a copy of every directory of the data set")
    for name, file in _metadata(original).items():
        if not (copy / name).is_file():
            raise CorpusError(f"{copy / name}: is missing: copy it from {original}")
        if (copy / name).read_bytes() != file.read_bytes():
            raise CorpusError(f"{copy / name}: differs from {file}, which VoicePrivacy uses: copy it from there")


def _joined(enrolment: DataDir, trials: DataDir, gender: str) -> DataDir:
    own = [utterance for utterance in enrolment if utterance.gender == gender]
    if other := [utterance for utterance in trials if utterance.gender != gender]:
        raise CorpusError(f"{trials.path}: utterance '{other[0].id}' is of the other gender: restore the list")
    claimed = {trial.speaker for trial in trials.trials}
    if unknown := sorted(claimed - {utterance.speaker for utterance in own}):
        raise CorpusError(f"{trials.path}: speaker '{unknown[0]}' has trials, but no utterance in {enrolment.path}")
    utterances = {utterance.id: utterance for utterance in (*own, *trials)}
    if len(utterances) != len(own) + len(trials):
        raise CorpusError(
            f"{trials.path}: an utterance is in {enrolment.path.name} too: it would be tried against itself"
        )
    ordered = tuple(utterances[key] for key in sorted(utterances))
    return DataDir(trials.path, ordered, tuple(utterance.id for utterance in own), trials.trials)


def _divided(data: DataDir, dataset: str) -> dict[str, tuple[str, list[Utterance], dict[str, Iterable]]]:
    """Name, utterances and lists of each part."""
    enrolled, tried = set(data.enrolment), {trial.utterance for trial in data.trials}
    if not enrolled:
        raise CorpusError(f"{data.path}: has trials but no enrolment: VoicePrivacy needs an enrolls file")
    if homeless := [u.id for u in data if u.id not in enrolled | tried]:
        raise CorpusError(f"{data.path}: utterance '{homeless[0]}' is neither enrolled nor tried: leave it out")
    genders = {utterance.speaker: utterance.gender for utterance in data}
    if mixed := [t for t in data.trials if genders[t.speaker] != data[t.utterance].gender]:
        raise CorpusError(f"{data.path}: trial '{mixed[0].speaker} {mixed[0].utterance}' crosses genders: leave it out")
    parts = {"enrolls": (dataset + ENROLMENT, [data[key] for key in data.enrolment], {"enrolment": data.enrolment})}
    for gender, end in TRIALS.items():
        trials = [trial for trial in data.trials if genders[trial.speaker] == gender]
        if trials:
            own = [u for u in data if u.id in tried and u.gender == gender]
            parts[gender] = (dataset + end, own, {"trials": trials})
    return parts


def _write_copy(original: Path, target: Path, data: DataDir, audio: Mapping[str, Path]) -> None:
    with atomic_folder(target) as folder:
        for name, file in _metadata(original).items():
            shutil.copyfile(file, folder / name)
        for utterance in data:
            save_audio(folder / "wav" / f"{utterance.id}.wav", _at_16_khz(Path(audio[utterance.id])))
        place = f"{target.absolute().parent.name}/{target.name}/wav"
        lines = (f"{utterance.id} {place}/{utterance.id}.wav\n" for utterance in data)
        write_text_atomic(folder / AUDIO_LIST, "".join(lines))


def _at_16_khz(file: Path) -> np.ndarray:
    """Waveform (T,). Resampling overshoots full scale by a fraction of a decibel; audio that is too loud is refused."""
    waveform = load_audio(file)
    return waveform if soundfile.info(file).samplerate == SAMPLE_RATE else np.clip(waveform, -1, 1)
