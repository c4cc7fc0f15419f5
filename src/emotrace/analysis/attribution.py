"""Attribution: the loss of a metric from the original to ECAPA-anon-T12-soft, split exactly over its decisions.

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

from emotrace.analysis.contrasts import Contrast
from emotrace.analysis.seeds import Seeds, seeds_of
from emotrace.study.groups import CONTROLS, at_layers_of, counterparts
from emotrace.study.results import Results

Decisions = frozenset[str]


@dataclass(frozen=True)
class Decision:
    """One decision of the anonymiser.

    Attributes:
        name: in tables.
        after: the decision that must have been taken before, if any.
        text: what it is.
        content: the linguistic part of a row in which no later one is taken, or the whole name of a control.
        speaker: the speaker of such a row.
    """

    name: str
    after: str | None
    text: str
    content: str = ""
    speaker: str = ""


DECISIONS = (
    Decision("vocoder", None, "the official vocoder of the recording's log-mel", "official-control"),
    Decision("acoustic model", "vocoder", "a log-mel that an acoustic model predicts", "log-mel"),
    Decision("representation", "acoustic model", "F0 and T1 instead of the log-mel", "T1"),
    Decision("layer", "representation", "T12 instead of T1", "T12"),
    Decision("soft units", "layer", "soft units of T12 instead of T12", "T12-soft"),
    Decision("embedding", "representation", "an ECAPA embedding of the speaker beside them", speaker="ECAPA-orig"),
    Decision(
        "anonymisation", "embedding", "a pseudo-speaker's embedding instead of the speaker's own", speaker="ECAPA-anon"
    ),
)
"""The first three are resynthesis at all."""


def row_of(taken: Decisions, encoder: str = "hubert") -> str:
    """The row in which these decisions, and no others, are taken.

    Raises:
        ValueError: a decision without the one that it requires.
    """
    chosen = [decision for decision in DECISIONS if decision.name in taken]
    for decision in chosen:
        if decision.after is not None and decision.after not in taken:
            raise ValueError(f"the decision {decision.name!r} comes after {decision.after!r}, which is not taken")
    if not chosen:
        return "original"
    content = [decision.content for decision in chosen if decision.content][-1]
    if content in CONTROLS:
        return content
    speaker = ["none", *(decision.speaker for decision in chosen if decision.speaker)][-1]
    return counterparts(encoder)[f"{speaker}-{content}"]


def orders(taken: Decisions = frozenset()) -> Iterator[tuple[str, ...]]:
    """Every order in which the remaining decisions may be taken."""
    possible = [d.name for d in DECISIONS if d.name not in taken and (d.after is None or d.after in taken)]
    if not possible:
        yield ()
    for name in possible:
        for rest in orders(taken | {name}):
            yield name, *rest


def coefficients(encoder: str = "hubert") -> dict[str, Mapping[str, Fraction]]:
    """For each decision the weights of the rows' metrics whose sum is its share of the loss."""
    every = list(orders())
    weights: dict[str, Counter[str]] = {decision.name: Counter() for decision in DECISIONS}
    for order in every:
        states = [frozenset(order[:count]) for count in range(len(order) + 1)]
        for name, (before, after) in zip(order, pairwise(states), strict=True):
            weights[name][row_of(before, encoder)] += 1
            weights[name][row_of(after, encoder)] -= 1
    return {name: {row: Fraction(n, len(every)) for row, n in found.items() if n} for name, found in weights.items()}


def attribution(
    results: Results,
    metric: str = "uar",
    seeds: Seeds | None = None,
    recogniser: str | None = None,
    encoder: str = "hubert",
) -> pd.DataFrame:
    """Loss of a metric (original minus ECAPA-anon-T12-soft) by decision, in its unit (rates in percentage points).

    Columns decision, text, loss, low, high (over speakers, the same draws in every row, and ``seeds`` if given),
    contrast (in symbols), over (what the interval holds), least, most (over the orders). The last line is the total, of
    which the others are the parts. By another encoder its first and last layer take the place of T1 and T12.

    Raises:
        TableError: an unknown metric, or a row without results for it.
    """

    def contrast(weights: Mapping[str, float]) -> Contrast:
        return Contrast.of(metric, weights)

    def columns(weights: Mapping[str, float]) -> dict[str, object]:
        further = seeds.variances(contrast(weights), results, recogniser) if seeds else {}
        found = contrast(weights).interval(results, recogniser, further=further.values())
        line = {"loss": found.estimate, "low": found.low, "high": found.high}
        return line | {"contrast": str(contrast(weights)), "over": ", ".join(["speakers", *map(seeds_of, further)])}

    def row(taken: Decisions) -> str:
        return row_of(taken, encoder)

    lines, every, weights = [], list(orders()), coefficients(encoder)
    for decision in DECISIONS:
        name = decision.name
        befores = {frozenset(order[: order.index(name)]) for order in every}
        steps = [{row(before): 1, row(before | {name}): -1} for before in befores]
        costs = [contrast(step).interval(results, recogniser).estimate for step in steps]
        line = {"decision": name, "text": at_layers_of(encoder, decision.text), **columns(weights[name])}
        lines.append(line | {"least": min(costs), "most": max(costs)})
    ends = {"original": 1, row(frozenset(decision.name for decision in DECISIONS)): -1}
    return pd.DataFrame([*lines, {"decision": "total", "text": " to ".join(ends), **columns(ends)}])
