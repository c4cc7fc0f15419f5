"""Profile scale: two encoders, two acted corpora, readers that no model has learned from; what models learn from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from emotrace.anonymizer.draws import Selection
from emotrace.corpus.importers import import_corpus
from emotrace.engine.keys import Keys
from emotrace.engine.runner import RunError
from emotrace.paths import RESULTS, ROOT, source_of
from emotrace.pipeline.measures import Measure
from emotrace.pipeline.rows import EVERY_ENCODER
from emotrace.study.groups import ABOUT_EMOTION, EMOTIONAL, SEEDED, UNIFIED, VARIANTS
from emotrace.study.profiles import ALL_MEASURES, Corpus, Profile

READ = frozenset({Measure.WORDS, Measure.SPEAKER, Measure.NATURALNESS})
UNTRANSCRIBED = frozenset({Measure.SPEAKER, Measure.ACOUSTICS})
LABELS = frozenset({Measure.EMOTION, Measure.SPEAKER, Measure.ACOUSTICS})
SECOND_ACTED = (
    "original",
    "official-control",
    "log-mel",
    *(row.name for row in (*SEEDED[:1], *SEEDED[2:5], *SEEDED[6:])),
)


@dataclass(frozen=True)
class Source:
    """Where speech is found, who imports it, and how to get it."""

    folder: str
    importer: str
    page: str
    options: Mapping[str, object] = field(default_factory=dict)


SPEAKERS = source_of("librispeech_3spk") / "SPEAKERS.TXT"
SOURCES = {
    "ravdess": Source("ravdess_16k", "ravdess", "zenodo.org/records/1188976"),
    "dev-clean": Source(
        "librispeech_devclean20", "librispeech-readers", "openslr.org/12", {"limit": 6, "speakers": SPEAKERS}
    ),
    "test-other": Source(
        "librispeech_test_other", "librispeech-readers", "openslr.org/12", {"limit": 5, "speakers": SPEAKERS}
    ),
    "nemo": Source("nemo_16k", "nemo", "huggingface.co/datasets/amu-cai/nEMO"),
}
"""What the profile measures, by the folder of its import."""
READERS = ("19", "26", "27")
LEARNED = SOURCES | {
    "librispeech": Source("librispeech_3spk", "librispeech", "openslr.org/12"),
    "librispeech_248": Source(
        "librispeech_251", "librispeech-readers", "openslr.org/12", {"speakers": SPEAKERS, "without": READERS}
    ),
    "librispeech_251": Source("librispeech_251", "librispeech-readers", "openslr.org/12", {"speakers": SPEAKERS}),
}
"""What models learn from, likewise; the phantom's training voices are made by data/phantom/make.py."""


def scale(root: Path = ROOT) -> Profile:
    """Acted speech of RAVDESS (actors 13-24) and nEMO, read speech of LibriSpeech's dev-clean and test-other."""
    data = root / "work" / "corpora"
    full = tuple(row.name for row in (*EVERY_ENCODER, *UNIFIED))
    return Profile(
        name="scale",
        corpora=(
            Corpus(
                "emotional",
                data / "ravdess" / "test",
                ALL_MEASURES,
                further_per_cell=0,
                further=LABELS,
                in_full=full,
                skipped=tuple(row.name for row in EMOTIONAL),
                title="RAVDESS",
            ),
            Corpus("read", data / "dev-clean" / "test", READ, skipped=ABOUT_EMOTION, redrawn=False),
            Corpus(
                "read-other",
                data / "test-other" / "test",
                UNTRANSCRIBED,
                skipped=(*ABOUT_EMOTION, *(row.name for row in UNIFIED)),
                redrawn=False,
            ),
            Corpus(
                "acted",
                data / "nemo",
                ALL_MEASURES - {Measure.WORDS},
                rows=SECOND_ACTED,
                by_fold=True,
                redrawn=False,
                title="nEMO",
            ),
            # the sentence that no model has learned from, whatever its speech
            Corpus(
                "unseen-sentence",
                data / "ravdess" / "test-02",
                LABELS,
                rows=tuple(row.name for row in EMOTIONAL),
                redrawn=False,
            ),
        ),
        work=root / "work" / "scale",
        results=(RESULTS if root == ROOT else root / "data" / "results") / "scale",
        ser_training=data / "ravdess" / "train-first",
        selection=Selection(n_farthest=44, n_random=22),
        rows=EVERY_ENCODER,
        unmatched=VARIANTS,
        missing="get RAVDESS speech (zenodo.org/records/1188976), nEMO (huggingface.co/datasets/amu-cai/nEMO) and "
        "LibriSpeech's dev-clean and test-other (openslr.org/12) into $EMOTRACE_DATA, then: "
        "emotrace run --profile scale",
    )


def add_corpora(names: Iterable[str] = tuple(SOURCES), root: Path = ROOT) -> None:
    """Import corpora of LEARNED that are not there yet. Raises RunError where one is neither imported nor found."""
    for name in names:
        source, folder = LEARNED[name], root / "work" / "corpora" / name
        if (folder / "import.json").is_file():
            continue
        if not (found := source_of(source.folder)).exists():
            raise RunError(f"no {name} at {found}: get it from {source.page}")
        import_corpus(source.importer, found, folder, **source.options)


def training_speech(model: str, root: Path = ROOT) -> tuple[Path, ...]:
    """The data directories that a model learns from, imported where need be. Raises RunError without the speech."""
    from emotrace.training.catalogue import speech_of

    folders = speech_of(model)
    add_corpora(dict.fromkeys(folder.partition("/")[0] for folder in folders if not folder.startswith("phantom")), root)
    paths = tuple(root / "work" / "corpora" / folder for folder in folders)
    if missing := [path for path in paths if not (path / "wav.scp").is_file()]:
        raise RunError(f"no {missing[0]}: python data/phantom/make.py --sets train --target work/corpora/phantom")
    return paths


def unfinished(models: Path) -> tuple[str, ...]:
    """Every model that a row of the profile needs and that is not there, in the order of training."""
    from emotrace.training.catalogue import TRAINERS

    profile = replace(scale(), models=models)
    rows = dict.fromkeys(row for rows in (profile.rows, *profile.groups.values()) for row in rows)
    missing = Keys(profile).missing_models(rows)
    return tuple(name for name in TRAINERS if name in missing)
