"""VoicePrivacy's data directories: one data set is siblings DATASET_enrolls, DATASET_trials_f and DATASET_trials_m.

Layout and names are those of the VoicePrivacy Challenge 2024 (its README, "Step 1: Anonymization"): data/DIR holds the
Kaldi files and data/DIR<suffix> an anonymised copy of the same, with 16 kHz WAV files in wav/.
"""

from collections.abc import Mapping
from pathlib import Path

from emotrace.corpus.datadir import CorpusError, DataDir, refuse_asr_suffix, write_datadir
from emotrace.corpus.importers import Imported

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
