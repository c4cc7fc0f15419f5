"""Attribution: the loss of a metric from the original to ECAPA-anon-T12-soft, split exactly over five decisions.

The rows between the two are a lattice: each is the set of decisions taken so far, and a decision may come only after
those that it requires. The share of a decision is its Shapley value under these precedence constraints (Faigle & Kern,
"The Shapley value for cooperative games under precedence constraints", Int. J. Game Theory 1992): the mean of what it
costs over all orders that respect them. The shares sum to the total loss exactly.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import pandas as pd

from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.contrasts import Contrast
from emotrace.analysis.seeds import Seeds
from emotrace.study.results import Results

Decisions = frozenset[str]


@dataclass(frozen=True)
class Decision:
    """One decision of the anonymiser, and the decision that must have been taken before, if any."""

    name: str
    after: str | None
    text: str


DECISIONS = (
    Decision("synthesis", None, "resynthesis at all: F0, T1 and the vocoder, instead of the recording"),
    Decision("layer", "synthesis", "T12 instead of T1"),
    Decision("soft units", "layer", "soft units of T12 instead of T12"),
    Decision("embedding", "synthesis", "an ECAPA embedding of the speaker beside them"),
    Decision("anonymisation", "embedding", "a pseudo-speaker's embedding instead of the speaker's own"),
)
_CONTENTS = {"soft units": "T12-soft", "layer": "T12", "synthesis": "T1"}  # what counts is the last one taken


def row_of(taken: Decisions) -> str:
    """The row in which these decisions, and no others, are taken.

    Raises:
        ValueError: a decision without the one that it requires.
    """
    for decision in DECISIONS:
        if decision.name in taken and decision.after is not None and decision.after not in taken:
            raise ValueError(f"the decision {decision.name!r} comes after {decision.after!r}, which is not taken")
    if not taken:
        return "original"
    speaker = "ECAPA-anon" if "anonymisation" in taken else "ECAPA-orig" if "embedding" in taken else "none"
    return f"{speaker}-{next(content for name, content in _CONTENTS.items() if name in taken)}"


def orders(taken: Decisions = frozenset()) -> Iterator[tuple[str, ...]]:
    """Every order in which the remaining decisions may be taken."""
    possible = [d.name for d in DECISIONS if d.name not in taken and (d.after is None or d.after in taken)]
    if not possible:
        yield ()
    for name in possible:
        for rest in orders(taken | {name}):
            yield name, *rest


def coefficients() -> dict[str, Mapping[str, Fraction]]:
    """For each decision the weights of the rows' metrics whose sum is its share of the loss."""
    every = list(orders())
    weights: dict[str, Counter[str]] = {decision.name: Counter() for decision in DECISIONS}
    for order in every:
        states = [frozenset(order[:count]) for count in range(len(order) + 1)]
        for name, (before, after) in zip(order, pairwise(states), strict=True):
            weights[name][row_of(before)] += 1
            weights[name][row_of(after)] -= 1
    return {name: {row: Fraction(n, len(every)) for row, n in found.items() if n} for name, found in weights.items()}


def attribution(
    results: Results, metric: str = "uar", seeds: Seeds | None = None, recogniser: str | None = None
) -> pd.DataFrame:
    """Loss of a metric (original minus ECAPA-anon-T12-soft) by decision, in its unit (rates in percentage points).

    Columns decision, text, loss, low, high (over speakers, the same draws in every row, and ``seeds`` if given), least,
    most (over the orders). The last line is the total, of which the others are the parts.

    Raises:
        TableError: an unknown metric, or a row without results for it.
    """

    def loss(weights: Mapping[str, float]) -> Interval:
        contrast = Contrast.of(metric, weights)
        further = seeds.variances(contrast, results, recogniser).values() if seeds else ()
        return contrast.interval(results, recogniser, further=further)

    lines, every = [], list(orders())
    for decision in DECISIONS:
        name, befores = decision.name, {frozenset(order[: order.index(decision.name)]) for order in every}
        costs = [loss({row_of(before): 1, row_of(before | {name}): -1}).estimate for before in befores]
        line = {"decision": name, "text": decision.text, **_columns(loss(coefficients()[name]))}
        lines.append(line | {"least": min(costs), "most": max(costs)})
    ends = {"original": 1, row_of(frozenset(decision.name for decision in DECISIONS)): -1}
    return pd.DataFrame([*lines, {"decision": "total", "text": " to ".join(ends), **_columns(loss(ends))}])


def _columns(loss: Interval) -> dict[str, float]:
    return {"loss": loss.estimate, "low": loss.low, "high": loss.high}
