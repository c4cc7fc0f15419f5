"""Importers, found by the name of their corpus: adding a corpus means a file and a line of `IMPORTERS`."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from emotrace.corpus.datadir import DataDir
from emotrace.registry import Registry

IMPORTERS = Registry(
    "corpus",
    {
        "wavs": "emotrace.corpus.importers.wavs:import_wavs",
        "ravdess": "emotrace.corpus.importers.ravdess:import_ravdess",
        "librispeech": "emotrace.corpus.importers.librispeech:import_librispeech",
        "librispeech-readers": "emotrace.corpus.importers.librispeech:import_readers",
        "libritts": "emotrace.corpus.importers.libritts:import_libritts",
        "iemocap": "emotrace.corpus.importers.iemocap:import_iemocap",
        "nemo": "emotrace.corpus.importers.nemo:import_nemo",
        "libri-test": "emotrace.corpus.importers.vpc:import_libri_test",
    },
)


@dataclass(frozen=True)
class Imported:
    """What an importer made: its data directories, and remarks for the user."""

    data: tuple[DataDir, ...]
    remarks: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> DataDir:
        """The data directory whose folder has that name. Raises KeyError when there is none."""
        return {data.path.name: data for data in self.data}[name]


class Importer(Protocol):
    """Makes data directories at `target` of a corpus at `source`, unpacked as its page delivers it.

    The corpus's own options are keyword-only parameters with defaults; the command line passes on those that the user
    gives. All of `target` appears at once or not at all. Raises CorpusError when `source` is not that corpus,
    AudioError for audio that cannot be used, FileExistsError when `target` holds something.
    """

    def __call__(self, source: Path, target: Path, **options: Any) -> Imported: ...


def import_corpus(corpus: str, source: Path, target: Path, **options: Any) -> Imported:
    """Import a corpus by its name in `IMPORTERS`.

    Raises ValueError for an unknown corpus and for an option that it does not take, otherwise as its importer does.
    """
    importer = IMPORTERS.find(corpus)
    for option in options:
        if not _takes(importer, option):
            takers = ", ".join(name for name in IMPORTERS if _takes(IMPORTERS.find(name), option))
            flag = f"--{option.replace('_', '-')}"
            raise ValueError(f"{corpus} takes no option {flag}: it is for {takers or 'no corpus'}")
    return importer(Path(source), Path(target), **options)


def _takes(importer: Importer, option: str) -> bool:
    parameter = inspect.signature(importer).parameters.get(option)
    return parameter is not None and parameter.kind is parameter.KEYWORD_ONLY
