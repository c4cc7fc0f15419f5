"""Linkability against the fixture, closed forms and its defining properties."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from emotrace.evaluation.linkability import linkability, local_linkability
from emotrace.evaluation.metrics import MetricError

PARITY = Path(__file__).parent / "data" / "parity"


def test_the_parity_scores_give_voiceprivacys_value():
    scores = json.loads((PARITY / "asv_scores.json").read_text())
    assert linkability(scores["target"], scores["nontarget"]) == pytest.approx(scores["vpc_linkability_Dsys"], abs=1e-5)


def test_the_same_scores_link_nobody():
    scores = np.random.default_rng(0).normal(size=1000)
    assert linkability(scores, scores) == 0
    assert linkability(scores, scores[::-1].tolist()) == 0


@pytest.mark.parametrize("seed", range(5))
def test_separated_scores_link_everybody(seed):
    rng = np.random.default_rng(seed)
    found = linkability(rng.normal(20, 1, 5000), rng.normal(-20, 1, 5000))
    assert found == pytest.approx(1, abs=1e-3) and found <= 1 + 1e-12


def test_gaussians_give_the_integral_of_the_definition():
    """Unit-variance Gaussians at +-m have w(s) = exp(2 m s), hence D(s) = tanh(m s) for s > 0."""
    rng, m = np.random.default_rng(1), 1.0
    grid = np.linspace(0, 8, 20_001)
    expected = np.trapezoid(np.tanh(m * grid) * norm.pdf(grid, m), grid)
    found = linkability(rng.normal(m, 1, 400_000), rng.normal(-m, 1, 400_000))
    assert found == pytest.approx(expected, abs=3e-3)


def test_local_linkability_is_the_papers_formula():
    target, nontarget = np.array([0.2, 0.5, 0.3, 0.0, 0.4]), np.array([0.2, 0.25, 0.6, 0.0, 0.0])
    ratio = 1.5
    w = ratio * target[:2] / nontarget[:2]
    np.testing.assert_allclose(local_linkability(target, nontarget, ratio)[:2], 2 * w / (1 + w) - 1)
    assert local_linkability(target, nontarget).tolist()[2:] == [0, 0, 1]


def test_it_grows_with_the_distance_and_ignores_scale_and_shift():
    rng = np.random.default_rng(2)
    target, nontarget = rng.normal(size=2000), rng.normal(size=2000)
    values = [linkability(target + distance, nontarget) for distance in (0, 1, 2, 4)]
    assert values == sorted(values)
    assert linkability(3 * target + 5, 3 * nontarget + 5) == pytest.approx(values[0], abs=1e-9)


@pytest.mark.parametrize("bad", [[], [np.nan] * 100, [np.inf] * 100])
def test_refuses_what_has_no_distribution(bad):
    good = np.arange(100.0)
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(MetricError, match="target scores"):
            linkability(*pair)


def test_refuses_too_few_target_scores_for_a_histogram():
    with pytest.raises(MetricError, match="two bins or more, got 1 for 19 target scores"):
        linkability(np.arange(19.0), np.arange(100.0))
    assert 0 <= linkability(np.arange(19.0), np.arange(100.0), bins=5) <= 1
