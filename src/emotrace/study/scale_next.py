"""Profile scale as it is recorded anew: two encoders, two acted corpora, readers that no model has seen.

It takes the place of scale when every row of it is recorded; until then the book shows scale.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from emotrace.anonymizer.draws import Selection
from emotrace.corpus.importers import import_corpus
from emotrace.engine.runner import RunError
from emotrace.paths import ROOT, source_of
from emotrace.pipeline.measures import Measure
from emotrace.pipeline.rows import EVERY_ENCODER, WHISPER_ROWS, Row, encoder_row, select_rows
from emotrace.representation.spec import ENCODERS
from emotrace.study.groups import GROUPS, lattice, unified, with_variant
from emotrace.study.profiles import ALL_MEASURES, Corpus, Profile
from emotrace.training.unified import JointConfig

ROWS = tuple(replace(row, vocoder="joint") if row.vocoder == "unified" else row for row in EVERY_ENCODER)
READ = frozenset({Measure.WORDS, Measure.SPEAKER, Measure.NATURALNESS})
UNTRANSCRIBED = frozenset({Measure.SPEAKER, Measure.ACOUSTICS})
LABELS = frozenset({Measure.EMOTION, Measure.SPEAKER, Measure.ACOUSTICS})
SEEDS = ("seed1", "seed2")


def named(*names: str) -> tuple[Row, ...]:
    """Rows of the table by name."""
    return select_rows(names, rows=ROWS)


SEEDED = named("none-T1", "none-T6", "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft")
SEEDED += named("none-W1", "none-W3", "ECAPA-orig-W6-soft", "ECAPA-anon-W6-soft")
"""Rows whose models are trained with three seeds."""
UNIFIED = tuple(
    replace(unified(row), vocoder="joint")
    for row in (*named("none-T1", "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft"), *WHISPER_ROWS)
)
"""Rows by one network that learns from waveforms, as the paper has it, beside those of `ROWS`."""
SNAPSHOTS = tuple(
    with_variant(row, f"step{step}")
    for row in (*named("unified-log-mel"), *UNIFIED[:2])
    for step in JointConfig().snapshots
)
EMOTIONAL = tuple(
    with_variant(row, "emotional") for row in SEEDED if row.ir.layer != ENCODERS[row.ir.linguistic].last // 2
)
"""Rows whose acoustic model has learned from emotional speech, too."""
SECOND_ACTED = (
    "original",
    "official-control",
    "log-mel",
    *(row.name for row in (*SEEDED[:1], *SEEDED[2:5], *SEEDED[6:])),
)
FURTHER = {
    "attribution": tuple(dict.fromkeys(row for encoder in ENCODERS for row in lattice(encoder))),
    "effects": GROUPS["effects"],
    "seeds": (*SEEDED, *(with_variant(row, seed) for row in SEEDED for seed in SEEDS)),
    "discrete": (*named("ECAPA-orig-W6-soft"), encoder_row("ecapa", 6, "kmeans", encoder="whisper")),
    "unified": UNIFIED,
    "snapshots": (*named("unified-log-mel"), *UNIFIED[:2], *SNAPSHOTS),
    "training": (*SEEDED, *EMOTIONAL),
    "draws": named("ECAPA-anon-T12-soft", "ECAPA-anon-W6-soft"),
}
ABOUT_EMOTION = tuple(row.name for rows in FURTHER.values() for row in rows if row not in (*ROWS, *UNIFIED))
"""Rows that are run on RAVDESS alone, without words and predicted opinion."""
VARIANTS = tuple(row.name for name in ("seeds", "training", "snapshots") for row in FURTHER[name] if row.variant)
"""Rows by other models of the same recipe: by the usual recognisers alone."""


@dataclass(frozen=True)
class Source:
    """Where a corpus of the profile is found, who imports it, and how to get it."""

    folder: str
    importer: str
    page: str
    limit: int | None = None


SOURCES = {
    "ravdess": Source("ravdess_16k", "ravdess", "zenodo.org/records/1188976"),
    "dev-clean": Source("librispeech_devclean20", "librispeech-readers", "openslr.org/12", limit=6),
    "test-other": Source("librispeech_test_other", "librispeech-readers", "openslr.org/12", limit=5),
    "nemo": Source("nemo_16k", "nemo", "huggingface.co/datasets/amu-cai/nEMO"),
}
SPEAKERS = source_of("librispeech_3spk") / "SPEAKERS.TXT"


def scale_next(root: Path = ROOT) -> Profile:
    """Acted speech of RAVDESS (actors 13-24) and nEMO, read speech of LibriSpeech's dev-clean and test-other."""
    data = root / "work" / "corpora"
    full = tuple(row.name for row in (*ROWS, *UNIFIED))
    return Profile(
        name="scale-next",
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
        work=root / "work" / "scale-next",
        results=root / "data" / "results" / "scale-next",
        models=root / "data" / "models" / "next",
        ser_training=data / "ravdess" / "train-first",
        selection=Selection(n_farthest=44, n_random=22),
        rows=ROWS,
        groups=FURTHER,
        unmatched=VARIANTS,
        missing="get what is missing, then: emotrace run --profile scale-next",
    )


def prepare_next(root: Path = ROOT) -> None:
    """Import what the profile needs and lacks. Raises RunError where a corpus is neither imported nor found."""
    for name, source in SOURCES.items():
        folder, found = root / "work" / "corpora" / name, source_of(source.folder)
        if (folder / "import.json").is_file():
            continue
        if not found.exists():
            raise RunError(f"no {name} at {found}: get it from {source.page}")
        options = {} if source.limit is None else {"limit": source.limit, "speakers": SPEAKERS}
        import_corpus(source.importer, found, folder, **options)
