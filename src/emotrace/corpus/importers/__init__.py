"""Every importer by the name of its corpus."""

from pathlib import Path

from emotrace.corpus.datadir import DataDir
from emotrace.corpus.importers.iemocap import Happy, import_iemocap
from emotrace.corpus.importers.librispeech import import_librispeech
from emotrace.corpus.importers.libritts import import_libritts
from emotrace.corpus.importers.ravdess import import_ravdess
from emotrace.corpus.importers.vpc import join_vpc, read_vpc
from emotrace.corpus.importers.wavs import import_wavs


def import_corpus(
    name: str,
    source: Path,
    target: Path,
    *,
    labels: Path | None = None,
    trim: bool = True,
    excited: bool = True,
    check_majority: bool = False,
) -> tuple[list[DataDir], list[str]]:
    """Import a corpus: the data directories that were made, and remarks for the user.

    ``labels`` is for wavs, ``trim`` for RAVDESS, ``excited`` and ``check_majority`` are for IEMOCAP. Raises KeyError
    for an unknown name, otherwise as the importers.
    """
    if name == "wavs":
        data, remarks = import_wavs(source, target, labels)
        return [data], remarks
    if name == "iemocap":
        happy = Happy.WITH_EXCITED if excited else Happy.ALONE
        data, report = import_iemocap(source, target, happy=happy, check_majority=check_majority)
        return [data], report.lines()
    if name == "libri-test":
        return [join_vpc(read_vpc(source), target)], []
    importers = {
        "ravdess": lambda: import_ravdess(source, target, trim=trim),
        "librispeech": lambda: import_librispeech(source, target),
        "libritts": lambda: import_libritts(source, target),
    }
    return list(importers[name]().values()), []
