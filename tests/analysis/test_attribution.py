"""The attribution: exact, additive, and equal to a Shapley value computed in another way."""

from fractions import Fraction
from itertools import permutations

import frames
import numpy as np
import pandas as pd
import pytest
from frames import utterance_lines

from emotrace.analysis.attribution import DECISIONS, attribution, coefficients, orders, row_of
from emotrace.analysis.contrasts import metric_interval
from emotrace.study.groups import lattice
from emotrace.study.results import Results

NAMES = [decision.name for decision in DECISIONS]
ROWS = [row.name for row in lattice()]


@pytest.fixture(scope="module")
def results() -> Results:
    """Each row of the lattice with errors of its own, drawn anew for every utterance."""
    draw = np.random.default_rng(0)
    tables = []
    for number, row in enumerate(ROWS):
        table = pd.DataFrame(utterance_lines(row, {}, 1))
        wrong = draw.random(len(table)) < number / 12
        table.loc[wrong, "emotion_functionals"] = draw.choice(["sad", "neu", "ang", "hap"], wrong.sum())
        tables.append(table)
    return frames.results(pd.concat(tables, ignore_index=True))


def test_the_orders_are_the_permutations_that_respect_what_is_required():
    def allowed(order):
        return all(d.after is None or order.index(d.after) < order.index(d.name) for d in DECISIONS)

    assert sorted(orders()) == sorted(filter(allowed, permutations(NAMES)))
    assert len(list(orders())) == 6


def test_the_lattice_is_the_group_of_rows():
    states = {frozenset(order[:count]) for order in orders() for count in range(len(NAMES) + 1)}
    assert {row_of(state) for state in states} == set(ROWS) and len(states) == len(ROWS)


def test_the_weights_sum_to_original_minus_the_last_row_exactly():
    total: dict[str, Fraction] = {}
    for weights in coefficients().values():
        assert sum(weights.values()) == 0
        for row, weight in weights.items():
            total[row] = total.get(row, Fraction(0)) + weight
    assert {row: weight for row, weight in total.items() if weight} == {"original": 1, "ECAPA-anon-T12-soft": -1}


def test_the_shares_are_the_means_over_the_orders(results):
    shares = attribution(results).set_index("decision")
    uar = {row: metric_interval(results, row, "uar").estimate for row in ROWS}
    for name in NAMES:
        costs = []
        for order in orders():
            before = frozenset(order[: order.index(name)])
            costs.append(uar[row_of(before)] - uar[row_of(before | {name})])
        assert shares.at[name, "loss"] == pytest.approx(np.mean(costs), abs=1e-9)
        assert shares.at[name, "least"] == pytest.approx(min(costs))
        assert shares.at[name, "most"] == pytest.approx(max(costs))


def test_the_shares_sum_to_the_total_loss(results):
    shares = attribution(results).set_index("decision")
    assert abs(shares.loc[NAMES, "loss"].sum() - shares.at["total", "loss"]) < 1e-9
    expected = metric_interval(results, "original", "uar").estimate
    expected -= metric_interval(results, "ECAPA-anon-T12-soft", "uar").estimate
    assert shares.at["total", "loss"] == pytest.approx(expected, abs=1e-9)
    assert (shares["low"] <= shares["loss"]).all() and (shares["loss"] <= shares["high"]).all()


def test_a_decision_without_what_it_requires_is_no_row():
    with pytest.raises(ValueError, match="'soft units' comes after 'layer'"):
        row_of(frozenset({*NAMES[:3], "soft units"}))


def test_resynthesis_is_taken_in_a_fixed_order():
    """Vocoder, acoustic model and representation come one after the other: the share of each is one difference."""
    weights = coefficients()
    assert weights["vocoder"] == {"original": 1, "official-control": -1}
    assert weights["acoustic model"] == {"official-control": 1, "log-mel": -1}
    assert weights["representation"] == {"log-mel": 1, "none-T1": -1}


def test_another_encoder_has_the_same_lattice_of_its_own_rows():
    rows = {row for weights in coefficients(encoder="whisper").values() for row in weights}
    assert rows == {row.name for row in lattice("whisper")}
