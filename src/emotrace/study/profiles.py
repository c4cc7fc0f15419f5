"""Profiles: which corpora the study runs on, what is measured on each, and how speakers are replaced.

"phantom" ships its corpus and takes minutes on a CPU; "scale" is real speech, which the user must have; "paper" takes
the official corpora and models, and a GPU.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from emotrace.anonymizer.draws import Selection
from emotrace.corpus.datadir import DataDir, Emotion
from emotrace.engine.keys import Setting
from emotrace.engine.runner import RunError
from emotrace.engine.workers import PORTABLE
from emotrace.paths import ROOT
from emotrace.pipeline.measures import Measure, Recognisers
from emotrace.pipeline.rows import (
    ALL_ROWS,
    EVERY_ENCODER,
    PAPER_ROWS,
    STUDIED_LAYER,
    Row,
    select_rows,
    with_layer,
)
from emotrace.registry import Registry
from emotrace.study.groups import GROUPS


@dataclass(frozen=True)
class Corpus:
    """One data directory of a profile.

    Attributes:
        name: the column "corpus" of the results: emotional, read, f0, tempo or voice.
        path: the data directory with the originals.
        measures: what is measured on each utterance.
        rows: names of the rows run on it, at the studied layer; None for all.
        skipped: names of the rows not run on it, whose experiment asks nothing of it.
        transcribed_per_cell: how many utterances per speaker and emotion are transcribed, evenly spread over the ids;
            None for all of them. Speech recognition is the slowest measure.
        further_per_cell: the same for rows that are not ``in_full``; None for as many as in those.
        further: what is measured of rows that are not ``in_full``; None for the same.
        in_full: names of the rows whose words matter most; those of table II by default.
        neutral_is_read: the neutral utterances stand in for read speech, so all of them are transcribed.
        by_fold: its recognisers and attackers learn from its other folds, whatever else the profile has to learn from.
        redrawn: rows whose pseudo-speakers are drawn anew are run on it, too.
        title: what pages call an acted corpus that claims are tested on; "" for every other corpus.
    """

    name: str
    path: Path
    measures: frozenset[Measure]
    rows: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = ()
    transcribed_per_cell: int | None = None
    further_per_cell: int | None = None
    further: frozenset[Measure] | None = None
    neutral_is_read: bool = False
    by_fold: bool = False
    redrawn: bool = True
    title: str = ""
    in_full: tuple[str, ...] = tuple(row.name for row in ALL_ROWS)

    def includes(self, row: Row) -> bool:
        """Whether ``row`` is run on this corpus, at whatever layer it is."""
        if row.name in self.skipped:
            return False
        layer = STUDIED_LAYER if row.ir is None else row.ir.layer
        if self.rows is None or row.name in self.rows:
            return True
        known = tuple(chosen for chosen in ALL_ROWS if chosen.name in self.rows)
        return row.name in {chosen.name for chosen in with_layer(known, layer)}

    def measures_of(self, row: Row) -> frozenset[Measure]:
        """What is measured on ``row``: all but the words where it tries an effect on the recognisers of emotion."""
        measures = self.measures if self.further is None or row.name in self.in_full else self.further
        return measures - {Measure.WORDS} if row.effect else measures

    def transcribed(self, data: DataDir, row: Row) -> frozenset[str]:
        """Ids of the utterances of ``row`` whose words are recognised."""
        in_table = self.further_per_cell is None or row.name in self.in_full
        limit = self.transcribed_per_cell if in_table else self.further_per_cell
        cells, chosen = defaultdict(list), set()
        for utterance in data if Measure.WORDS in self.measures_of(row) else ():
            if utterance.text:
                cells[utterance.speaker, utterance.emotion].append(utterance.id)
        for (_, emotion), names in cells.items():
            every = limit is None or (self.neutral_is_read and emotion is Emotion.NEUTRAL)
            chosen.update(names if every else names[:: max(1, len(names) // max(limit, 1))][:limit])
        return frozenset(chosen)


@dataclass(frozen=True, kw_only=True)
class Profile(Setting):
    """What ``emotrace run --profile NAME`` runs.

    Attributes:
        name: of the profile.
        corpora: the data directories.
        results: one folder per row.
        ser_training: data directory of originals that the emotion recognisers learn from; None for leave-one-fold-out.
        missing: how to get the data, for messages.
        rows: what the profile runs unless told otherwise.
        groups: further rows by the name of an experiment, run when asked for.
        unmatched: names of rows by which no training speech is rendered: no matched recogniser, no attacker trained on
            it. The same holds for rows whose pseudo-speakers are drawn anew.
    """

    name: str
    corpora: tuple[Corpus, ...]
    results: Path
    ser_training: Path | None = None
    missing: str = ""
    rows: tuple[Row, ...] = ALL_ROWS
    groups: Mapping[str, tuple[Row, ...]] = field(default_factory=lambda: GROUPS)
    unmatched: tuple[str, ...] = ()

    def select(self, names: Iterable[str] | None = None, *, layer: int = STUDIED_LAYER) -> tuple[Row, ...]:
        """Rows by name or by group, as ``select_rows`` does it, among the profile's own."""
        if names is None:
            return select_rows(layer=layer, rows=self.rows)
        groups = {name: [row.name for row in rows] for name, rows in self.groups.items()}
        names = [row for name in names for row in groups.get(name, [name])]
        further = (row for rows in self.groups.values() for row in rows)
        return select_rows(names, layer=layer, rows=tuple(dict.fromkeys((*self.rows, *further))))

    def of_emotion(self, rows: tuple[Row, ...], measures: frozenset[Measure]) -> "Profile":
        """An experiment on the emotional corpora: other rows, and of what is measured only ``measures``."""
        emotional = [each for each in self.corpora if Measure.EMOTION in each.measures and each.rows is None]
        corpora = tuple(replace(corpus, measures=corpus.measures & measures) for corpus in emotional)
        return replace(self, corpora=corpora, rows=rows, groups={})

    @property
    def acted(self) -> dict[str, str]:
        """Titles of the acted corpora, by name."""
        return {corpus.name: corpus.title for corpus in self.corpora if corpus.title}

    def has_data(self) -> bool:
        """Whether every data directory is there."""
        return all((folder / "wav.scp").is_file() for folder in self.folders())

    def folders(self) -> list[Path]:
        """Every data directory that the profile reads."""
        training = [] if self.ser_training is None else [self.ser_training]
        return [*(corpus.path for corpus in self.corpora), *training]


ALL_MEASURES = frozenset(Measure)
CUE_MEASURES = frozenset({Measure.ACOUSTICS, Measure.EMOTION, Measure.SPEAKER})
CUE_ROWS = ("original", "log-mel", "none-T1", "none-T6", "ECAPA-orig-T12-soft", "none-W1", "ECAPA-orig-W6-soft")


def phantom(root: Path = ROOT) -> Profile:
    """The embedded corpus: everything on the full set, cue measurements on the isolation sets.

    Its pool has four voices of a gender, all of the synthetic voice; as in the paper a part of them are the farthest,
    and half of these make a pseudo-speaker.
    """
    data = root / "data" / "phantom"
    isolation = (Corpus(name, data / name, CUE_MEASURES, CUE_ROWS) for name in ("f0", "tempo", "voice"))
    options = {"transcribed_per_cell": 1, "neutral_is_read": True, "title": "phantom"}
    emotional = Corpus("emotional", data / "test", ALL_MEASURES, **options)
    return Profile(
        name="phantom",
        corpora=(emotional, *isolation),
        work=root / "work" / "phantom",
        results=root / "data" / "results" / "phantom",
        models=root / "data" / "models" / "phantom",
        selection=Selection(n_farthest=2, n_random=1),
        rows=EVERY_ENCODER,
        missing="the corpus belongs to the repository: restore data/phantom (git checkout -- data/phantom)",
        kernels=PORTABLE,
    )


def paper(root: Path = ROOT) -> Profile:
    """The paper's own corpora, models and recognisers, on a GPU where there is one.

    Emotion from IEMOCAP, words and speakers from VoicePrivacy's Libri-test, a pseudo-speaker for each utterance.
    """
    import torch  # only this profile asks for a GPU

    data, device = root / "work" / "corpora", "cuda" if torch.cuda.is_available() else "cpu"
    return Profile(
        name="paper",
        corpora=(
            Corpus("emotional", data / "iemocap", ALL_MEASURES - {Measure.SPEAKER}, title="IEMOCAP"),
            Corpus("read", data / "libri_test", ALL_MEASURES - {Measure.EMOTION}),
        ),
        work=root / "work" / "paper",
        results=root / "data" / "results" / "paper",
        selection=Selection(n_farthest=200, n_random=100),
        missing="it takes IEMOCAP (sail.usc.edu/iemocap, by request), LibriSpeech test-clean (openslr.org/12) and "
        "VoicePrivacy 2024's lists; import each: emotrace import --help",
        rows=PAPER_ROWS,
        groups={},
        models=root / "work" / "models" / "paper",
        recognisers=Recognisers("vpc", "vpc", ("vpc",), device, attacker="", matched=False),
        device=device,
    )


PROFILES = Registry("profile", {"phantom": phantom, "scale": "emotrace.study.scale:scale", "paper": paper})


def get_profile(name: str) -> Profile:
    """A profile by name. Raises ValueError for an unknown one."""
    return PROFILES.find(name)()


def prepare(profile: Profile) -> None:
    """Import what the profile needs and lacks. Raises RunError where the data is neither imported nor found."""
    if profile.has_data():
        return
    if profile.name != "scale":
        raise RunError(f"profile {profile.name}: no data in {profile.corpora[0].path.parent}; {profile.missing}")
    from emotrace.study.scale import add_corpora

    add_corpora()
