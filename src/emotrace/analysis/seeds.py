"""The variance that seeds add to a contrast of rows: of the models that make a row, and of the recogniser's sample.

A seed is a random effect: another seed gives another value, and an interval over speakers does not hold it. The
variance of one draw of a seed is estimated from pairs of values with different seeds by the method of moments,

    max(0, mean of (d^2 - v) / 2),

where d is the difference of a pair and v the variance of d over speakers, which the interval over speakers holds
already (Searle, Casella & McCulloch, Variance Components, 1992, section 3.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from emotrace.analysis.bootstrap import Variance, measured
from emotrace.analysis.contrasts import Contrast, TableError, Term
from emotrace.evaluation import SEEDS
from emotrace.pipeline.results import emotion_column
from emotrace.pipeline.rows import VARIANT_MARK
from emotrace.study import Study
from emotrace.study.groups import SECOND_SEED, all_rows
from emotrace.study.profiles import Profile
from emotrace.study.results import Results
from emotrace.study.run import read_provenance

N_BOOTSTRAP = 1000  # draws behind v, whatever the interval takes
Terms = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Seeds:
    """What the rows of ``twice``, made with two seeds of their models, say of the variance by seeds.

    ``twice`` is None where no row was: then only the recogniser's sample counts. Seeds of pseudo-speakers and of
    unified vocoders are not recorded: the first have no variance here, the second that of the recorded models.
    """

    twice: Results | None = None
    _known: dict[tuple[Terms, str], Variance | None] = field(default_factory=dict, repr=False, compare=False)

    def variances(self, contrast: Contrast, results: Results, recogniser: str | None = None) -> dict[str, Variance]:
        """The variances that seeds add to a contrast, by source: "models", "recogniser"; a source not recorded lacks.

        Models: every row that a trained model makes adds that of its own terms, estimated from the rows recorded with
        two seeds, all alike; df is the number of their models. Rows of one model count as independent: recorded with
        two seeds, the own and the anonymised voice of T12-soft move in opposite directions, not together.

        Recogniser: of the contrast itself, by the recogniser's training samples; df is their number less one.
        """
        recogniser = recogniser or results.recognisers[0]
        found = {
            "models": self._of_models(contrast, recogniser),
            "recogniser": _of_recogniser(contrast, results, recogniser),
        }
        return {source: variance for source, variance in found.items() if variance is not None}

    def _of_models(self, contrast: Contrast, recogniser: str) -> Variance | None:
        parts = [self._of_terms(terms, recogniser) for row, terms in _by_row(contrast).items() if has_models(row)]
        if not parts or any(part is None for part in parts):
            return None
        return Variance(sum(part.value for part in parts), parts[0].df)

    def _of_terms(self, terms: Terms, recogniser: str) -> Variance | None:
        """The variance by a model's seed of a sum of metrics of one row; that of its first metric times 1 is kept."""
        scale = terms[0][1] or 1.0
        unit = tuple((name, factor / scale) for name, factor in terms)
        if (unit, recogniser) not in self._known:
            self._known[unit, recogniser] = self._estimated(unit, recogniser)
        found = self._known[unit, recogniser]
        return found and Variance(found.value * scale**2, found.df)

    def _estimated(self, terms: Terms, recogniser: str) -> Variance | None:
        if self.twice is None:
            return None
        marked = [(row, f"{row}{VARIANT_MARK}{SECOND_SEED}") for row in self.twice.rows]
        pairs = [pair for pair in marked if pair[1] in self.twice.rows]
        try:
            values = [
                measured(change.parts(same, recogniser), n=N_BOOTSTRAP, seed=same.seed)
                for first, second in pairs
                for change in [_sum_of(second, terms) + -_sum_of(first, terms)]
                for same in [self.twice.same_words([first, second])]
            ]
        except TableError:
            return None
        models = {row.decoder for row in all_rows() if row.name in {first for first, _ in pairs}}
        return Variance(_net(values), len(models)) if values else None


def recorded_seeds(profile: Profile) -> Seeds:
    """The rows of a profile that are recorded with two seeds; none of them where one is missing."""
    rows = profile.groups.get("seeds", ())
    if not rows or any(read_provenance(profile, row) is None for row in rows):
        return Seeds()
    return Seeds(Study(profile, [row.name for row in rows]))


def has_models(row: str) -> bool:
    """Whether a row is made by models that were trained here: no recording, and not the official vocoder's copies."""
    known = {each.name: each for each in all_rows()}
    return row not in known or known[row].vocoder not in ("", "universal")


def _of_recogniser(contrast: Contrast, results: Results, recogniser: str) -> Variance | None:
    """The variance of a contrast by the recogniser's sample; None where it has one, or no part in the contrast."""
    columns = [emotion_column(recogniser, seed) for seed in SEEDS]
    if not contrast.of_emotion or any(
        column not in results.utterances or results.utterances[column].isna().all() for column in columns
    ):
        return None
    values = [
        measured(
            [*contrast.parts(results, recogniser, first), *(-contrast).parts(results, recogniser, second)],
            n=N_BOOTSTRAP,
            seed=results.seed,
        )
        for first, second in combinations(SEEDS, 2)
    ]
    return Variance(_net(values), len(SEEDS) - 1)


def _net(changes: Iterable[tuple[float, list[Variance]]]) -> float:
    """The variance of one seed from differences of two, each with its variance over speakers."""
    return max(0.0, float(np.mean([(d**2 - sum(v.value for v in variances)) / 2 for d, variances in changes])))


def _by_row(contrast: Contrast) -> dict[str, Terms]:
    """Metrics and factors of each row; the sign of a row's terms together does not matter to a variance."""
    rows: dict[str, dict[str, float]] = {}
    for term in contrast.terms:
        own = rows.setdefault(term.row, {})
        own[term.metric] = own.get(term.metric, 0.0) + term.factor
    return {row: tuple(sorted(own.items())) for row, own in rows.items()}


def _sum_of(row: str, terms: Terms) -> Contrast:
    return Contrast(tuple(Term(row, name, factor) for name, factor in terms))
