"""VoicePrivacy's data directories: one data set is siblings DATASET_enrolls, DATASET_trials_f and DATASET_trials_m.

Layout and names are those of the VoicePrivacy Challenge 2024 (its README, "Step 1: Anonymization"): data/DIR holds the
Kaldi files and data/DIR<suffix> an anonymised copy of the same, with 16 kHz WAV files in wav/.
"""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from emotrace.corpus.audio import save_audio
from emotrace.corpus.datadir import CorpusError, DataDir, refuse_asr_suffix, write_datadir
from emotrace.corpus.files import atomic_folder, write_text_atomic
from emotrace.corpus.importers import Imported
from emotrace.corpus.importers.writing import at_16_khz

ENROLMENT, TRIALS = "_enrolls", {"f": "_trials_f", "m": "_trials_m"}
AUDIO_LIST = "wav.scp"


def import_libri_test(source: str | Path, target: str | Path) -> Imported:
    """Join VoicePrivacy 2024's libri_test, in its data folder `source`, as the data directory `target`.

    Raises CorpusError as `read_vpc` and `join_vpc` do.
    """
    return Imported((join_vpc(read_vpc(source), target),))


def vpc_parts(folder: str | Path, dataset: str = "libri_test") -> dict[str, Path]:
    """The directories of a data set by part: "enrolls", "f" and "m", or "all" where it is undivided (IEMOCAP_test).

    Raises CorpusError when nothing of that name is there, or a divided set lacks its enrolment or all of its trials.
    """
    folder = Path(folder)
    names = {"enrolls": ENROLMENT, **TRIALS}
    present = {part: path for part, end in names.items() if (path := folder / f"{dataset}{end}").is_dir()}
    if not present:
        if (folder / dataset).is_dir():
            return {"all": folder / dataset}
        raise CorpusError(
            f"{folder}: neither {dataset} nor {dataset}{ENROLMENT} is there: give VoicePrivacy's data folder"
        )
    if "enrolls" not in present or len(present) == 1:
        missing = f"{dataset}{ENROLMENT}" if "enrolls" not in present else f"{dataset}{TRIALS['f']} and {TRIALS['m']}"
        raise CorpusError(f"{folder}: {missing} is missing: copy all directories of {dataset}")
    return present


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
    path = Path(folder) / dataset
    parts = _divided(data, path) if data.trials else {"all": DataDir(path, data.utterances)}
    if occupied := [part.path for part in parts.values() if part.path.exists()]:
        raise CorpusError(f"{occupied[0]}: is there already: remove it or choose another name")
    for part in parts.values():
        write_datadir(part.path, part, enrolment=part.enrolment, trials=part.trials)
    return {name: part.path for name, part in parts.items()}


def write_vpc_anonymised(folder: str | Path, dataset: str, suffix: str, audio: Mapping[str, Path]) -> dict[str, Path]:
    """Write the anonymised copy of every directory of a data set: DIR<suffix> with wav/ and the same metadata files.

    `audio` maps utterance ids to files of any rate; they become 16 kHz WAV. Every file of the original but wav.scp is
    copied byte for byte; wav.scp names data/DIR<suffix>/wav/ID.wav as VoicePrivacy does, relative to the folder above
    `folder`. No directory appears before all are written. Raises CorpusError for a suffix that VoicePrivacy mistakes,
    an utterance without audio, or a copy that is there already; AudioError.
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
    with ExitStack() as stack:
        for part, path in copies.items():
            unfinished = stack.enter_context(atomic_folder(path))
            _write_copy(parts[part], unfinished, lists[part], audio, place=f"{path.absolute().parent.name}/{path.name}")
    return copies


def refuse_vpc_suffix(directory: Path, suffix: str) -> None:
    """Raise CorpusError for a suffix with which VoicePrivacy's evaluation would go wrong without a word.

    With "asr" in it the copy is skipped (`refuse_asr_suffix`). Empty, it is the original. Part of the original's own
    name, it makes the original count as anonymised: whatever has the suffix anywhere in its name does
    (Voice-Privacy-Challenge-2024, evaluation/utility/ser/evaluate_ser.py and asr/evaluate_asr.py, 'anon' if suffix in
    name).
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
    """The enrolment utterances of one gender with its trials."""
    enrolled = tuple(utterance for utterance in enrolment if utterance.gender == gender)
    if foreign := [utterance for utterance in trials if utterance.gender != gender]:
        raise CorpusError(f"{trials.path}: utterance '{foreign[0].id}' is of the other gender: restore the list")
    claimed = {trial.speaker for trial in trials.trials}
    if unknown := sorted(claimed - {utterance.speaker for utterance in enrolled}):
        raise CorpusError(f"{trials.path}: speaker '{unknown[0]}' has trials, but no utterance in {enrolment.path}")
    utterances = {utterance.id: utterance for utterance in (*enrolled, *trials)}
    if len(utterances) != len(enrolled) + len(trials):
        raise CorpusError(
            f"{trials.path}: an utterance is in {enrolment.path.name} too: it would be tried against itself"
        )
    ordered = tuple(utterances[key] for key in sorted(utterances))
    return DataDir(trials.path, ordered, tuple(utterance.id for utterance in enrolled), trials.trials)


def _divided(data: DataDir, path: Path) -> dict[str, DataDir]:
    """The directories to be written: the enrolment, and the trials of each gender; `path` is their common beginning."""
    enrolled, tried = set(data.enrolment), {trial.utterance for trial in data.trials}
    if not enrolled:
        raise CorpusError(f"{data.path}: has trials but no enrolment: VoicePrivacy needs an enrolls file")
    if homeless := [u.id for u in data if u.id not in enrolled | tried]:
        raise CorpusError(f"{data.path}: utterance '{homeless[0]}' is neither enrolled nor tried: leave it out")
    genders = {utterance.speaker: utterance.gender for utterance in data}
    if mixed := [t for t in data.trials if genders[t.speaker] != data[t.utterance].gender]:
        raise CorpusError(f"{data.path}: trial '{mixed[0].speaker} {mixed[0].utterance}' crosses genders: leave it out")

    def part(end: str, ids: Iterable[str], **lists: tuple) -> DataDir:
        return DataDir(path.with_name(path.name + end), tuple(data[key] for key in ids), **lists)

    parts = {"enrolls": part(ENROLMENT, data.enrolment, enrolment=data.enrolment)}
    for gender, end in TRIALS.items():
        if trials := tuple(trial for trial in data.trials if genders[trial.speaker] == gender):
            parts[gender] = part(end, (u.id for u in data if u.id in tried and u.gender == gender), trials=trials)
    return parts


def _write_copy(original: Path, folder: Path, data: DataDir, audio: Mapping[str, Path], *, place: str) -> None:
    """Fill `folder` with the metadata of `original` and the audio; wav.scp says that it lies in `place`."""
    for name, file in _metadata(original).items():
        shutil.copyfile(file, folder / name)
    for utterance in data:
        save_audio(folder / "wav" / f"{utterance.id}.wav", at_16_khz(Path(audio[utterance.id])))
    lines = (f"{utterance.id} {place}/wav/{utterance.id}.wav\n" for utterance in data)
    write_text_atomic(folder / AUDIO_LIST, "".join(lines))
