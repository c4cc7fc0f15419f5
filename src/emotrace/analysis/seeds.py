"""The variance that seeds add to a contrast of rows: of models, of pseudo-speakers, and of the recogniser's sample.

A seed is a random effect: another seed gives another value, and an interval over speakers does not hold it. The
variance of one draw of a seed is estimated from pairs of values with different seeds by the method of moments,

    max(0, mean of (d^2 - v) / 2),

where d is the difference of a pair and v the variance of d over speakers, which the interval over speakers holds
already (Searle, Casella & McCulloch, Variance Components, 1992, section 3.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations, count

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Variance, measured
from emotrace.analysis.contrasts import Contrast, TableError, Term
from emotrace.evaluation import SEEDS
from emotrace.pipeline.results import MATCHED, emotion_column
from emotrace.pipeline.rows import REPLACED_BY, VARIANT_MARK, Row
from emotrace.study import Study
from emotrace.study.groups import all_rows
from emotrace.study.profiles import Profile
from emotrace.study.results import Results
from emotrace.study.run import read_provenance

N_BOOTSTRAP = 10_000  # draws behind v, whatever the interval takes: d^2 - v is a small difference of large numbers
Terms = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Seeds:
    """Rows that were made several times, and what they say of the variance by seeds.

    Attributes:
        models: rows whose models were trained with several seeds, "none-T1" and "none-T1@seed1"; None for no such row.
        draws: rows whose pseudo-speakers were drawn several times, "ECAPA-anon-T6" and "ECAPA-anon-T6@draw1".

    A unified vocoder has the variance of the recorded models; a matched recogniser has that of the usual one.
    """

    models: Results | None = None
    draws: Results | None = None
    _known: dict[tuple[str, Terms, str], Variance | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def variances(self, contrast: Contrast, results: Results, recogniser: str | None = None) -> dict[str, Variance]:
        """The variances that seeds add to a contrast, by source; a source that is not recorded or has no part lacks.

        "models", "pseudo-speakers": every row that has them adds that of its own terms, estimated from all rows that
        were made several times, all alike. df is the number of the further seeds of different models, or of the
        further draws. Rows of one model count as independent: recorded with two seeds, the own and the anonymised
        voice of T12-soft moved in opposite directions, not together.

        "recogniser": of the contrast itself, by the recogniser's training samples; df is their number less one.
        """
        usual = (recogniser or results.recognisers[0]).removesuffix(MATCHED)
        found = {
            "models": self._of_rows("models", has_models, contrast, usual),
            "pseudo-speakers": self._of_rows("draws", has_draws, contrast, usual),
            "recogniser": _of_recogniser(contrast, results, usual),
        }
        return {source: variance for source, variance in found.items() if variance is not None}

    def _of_rows(
        self, source: str, has_part: Callable[[str], bool], contrast: Contrast, recogniser: str
    ) -> Variance | None:
        parts = [self._of_terms(source, own, recogniser) for row, own in _by_row(contrast).items() if has_part(row)]
        if not parts or any(part is None for part in parts):
            return None
        return Variance(sum(part.value for part in parts), parts[0].df)

    def _of_terms(self, source: str, terms: Terms, recogniser: str) -> Variance | None:
        """The variance by a seed of a sum of metrics of one row; that of its first metric times 1 is kept."""
        scale = terms[0][1] or 1.0
        unit = tuple((name, factor / scale) for name, factor in terms)
        asked = (source, unit, recogniser)
        if asked not in self._known:
            made = getattr(self, source)
            self._known[asked] = None if made is None else _estimated(made, unit, recogniser)
        found = self._known[asked]
        return found and Variance(found.value * scale**2, found.df)


def _estimated(made: Results, terms: Terms, recogniser: str) -> Variance | None:
    """The variance by the seed of a sum of metrics of a row, of all pairs of a row's versions."""
    versions: dict[str, list[str]] = {}
    for name in made.rows:
        versions.setdefault(name.partition(VARIANT_MARK)[0], []).append(name)
    pairs = [pair for names in versions.values() for pair in combinations(names, 2)]
    try:
        values = [
            measured(change.parts(same, recogniser), n=N_BOOTSTRAP, seed=same.seed)
            for first, second in pairs
            for change in [_sum_of(second, terms) + -_sum_of(first, terms)]
            for same in [made.same_words([first, second])]
        ]
    except TableError:
        return None
    further = {row_named(name).decoder: len(names) - 1 for name, names in versions.items()}
    return Variance(_net(values), sum(further.values())) if values else None


def seeds_of(source: str) -> str:
    """What a line says of an interval that holds the seeds of a source."""
    return f"seeds of {source}"


def recorded_seeds(profile: Profile) -> Seeds:
    """The rows of a profile that are recorded with several seeds; none of a kind where one of its rows is missing."""
    rows, drawn = (profile.groups.get(name, ()) for name in ("seeds", "draws"))
    models = _comparable(Study(profile, [row.name for row in rows])) if rows and _recorded(profile, rows) else None
    return Seeds(models, _redrawn(profile, drawn) if drawn and _recorded(profile, drawn) else None)


def _recorded(profile: Profile, rows: Iterable[Row]) -> bool:
    return all(read_provenance(profile, row) is not None for row in rows)


def _redrawn(profile: Profile, rows: Sequence[Row]) -> Results | None:
    """Rows and the same with other pseudo-speakers, in one: "ECAPA-anon-T6", "ECAPA-anon-T6@draw1"; None without."""
    names, found = [row.name for row in rows], []
    for seed in count(1):
        if not _recorded(replace(profile, seed=seed), rows):
            break
        other = Study(profile, names, seed=seed)
        found.append(other.utterances.assign(row=other.utterances["row"] + f"{VARIANT_MARK}draw{seed}"))
    own = Study(profile, names)
    lines = pd.concat([own.utterances, *found], ignore_index=True)
    names = tuple(lines["row"].unique())
    return replace(own, utterances=lines, trials=own.trials[:0], rows=names) if found else None


def _comparable(results: Results) -> Results:
    """The same without trials where not all rows have those of the same corpora."""
    tried = results.trials.groupby("row")["corpus"].agg(frozenset)
    alike = len(tried) == len(results.rows) and tried.nunique() == 1
    return results if alike else replace(results, trials=results.trials[:0])


def has_models(row: str) -> bool:
    """Whether a row is made by models that were trained here: no recording, and not the official vocoder's copies."""
    known = row_named(row)
    return known is None or known.vocoder not in ("", "universal")


def has_draws(row: str) -> bool:
    """Whether a row has pseudo-speakers that are drawn from a pool."""
    known = row_named(row)
    return known is not None and known.anonymizer == REPLACED_BY["ecapa"]


def row_named(name: str) -> Row | None:
    """A row of the study by name; None where there is none."""
    return _rows().get(name)


@cache
def _rows() -> dict[str, Row]:
    return {row.name: row for row in all_rows()}


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
