"""VoicePrivacy's data directories: one data set is siblings DATASET_enrolls, DATASET_trials_f and DATASET_trials_m.

Layout and names are those of the VoicePrivacy Challenge 2024 (its README, "Step 1: Anonymization"): data/DIR holds the
Kaldi files.
"""

from collections.abc import Mapping
from pathlib import Path

from emotrace.corpus.datadir import CorpusError, DataDir, refuse_asr_suffix, write_datadir
from emotrace.corpus.importers import Imported
from emotrace.corpus.kaldi import GENDERS


def import_libri_test(source: str | Path, target: str | Path) -> Imported:
    """Join VoicePrivacy 2024's libri_test, in its data folder `source`, as the data directory `target`.

    Raises CorpusError as `read_vpc` and `join_vpc` do.
    """
    return Imported((join_vpc(read_vpc(source), target),))


def read_vpc(folder: str | Path, dataset: str = "libri_test", *, require_audio: bool = True) -> dict[str, DataDir]:
    """The parts of a data set joined: by gender "f" and "m", each with its enrolment and trials.

    An enrolment utterance goes with the gender of its speaker. Raises CorpusError when the enrolment or all of the
    trials are missing, for an utterance of the wrong part, and as `DataDir.read` does.
    """
    folder = Path(folder)
    enrolment = folder / f"{dataset}_enrolls"
    present = {gender: path for gender in GENDERS if (path := folder / f"{dataset}_trials_{gender}").is_dir()}
    if not present and not enrolment.is_dir():
        raise CorpusError(f"{folder}: neither {dataset} nor {enrolment.name} is there: give VoicePrivacy's data folder")
    if not present or not enrolment.is_dir():
        missing = enrolment.name if present else f"{dataset}_trials_f and _trials_m"
        raise CorpusError(f"{folder}: {missing} is missing: copy all directories of {dataset}")
    enrolled = DataDir.read(enrolment, require_audio=require_audio)
    read = {gender: DataDir.read(path, require_audio=require_audio) for gender, path in present.items()}
    return {gender: _joined(enrolled, data, gender) for gender, data in read.items()}


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
