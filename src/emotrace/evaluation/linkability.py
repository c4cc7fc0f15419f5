"""Linkability D_sys (Gomez-Barrero et al. 2017, doi:10.1109/TIFS.2017.2788000). P target, Q other scores, B bins."""

from collections.abc import Iterable

import numpy as np

from emotrace.evaluation.metrics import MetricError

MOST_BINS, SCORES_PER_BIN = 100, 10


def linkability(
    target: Iterable[float], nontarget: Iterable[float], *, prior_ratio: float = 1.0, bins: int | None = None
) -> float:
    """Global linkability D_sys in [0, 1]: 0 where the scores link nobody, 1 where they link everybody.

    D(s) = max(0, 2 w / (1 + w) - 1), w = `prior_ratio` x likelihood ratio of a target at score s, is averaged over the
    densities of the target scores (P,); those and the non-target ones (Q,) come from histograms with common bins,
    P // 10 of them and at most 100 unless `bins` says otherwise, integrated by trapezoids between their centres. That
    is how VoicePrivacy computes it: half of the first and of the last bin does not count, so that perfect separation
    stays a little below 1. Unlike the EER it needs no threshold, and it grows with few scores in many bins.
    Raises MetricError when either is empty, has NaN or infinite scores, or with fewer than two bins.
    """
    target, nontarget = _finite(target, "target"), _finite(nontarget, "non-target")
    bins = min(len(target) // SCORES_PER_BIN, MOST_BINS) if bins is None else bins
    if bins < 2:
        raise MetricError(f"linkability needs two bins or more, got {bins} for {len(target)} target scores: give more")
    edges = np.histogram_bin_edges(np.concatenate([target, nontarget]), bins)
    density = np.histogram(target, edges, density=True)[0]
    local = local_linkability(density, np.histogram(nontarget, edges, density=True)[0], prior_ratio)
    centres = (edges[1:] + edges[:-1]) / 2
    return float(np.trapezoid(local * density, centres))


def local_linkability(target: np.ndarray, nontarget: np.ndarray, prior_ratio: float = 1.0) -> np.ndarray:
    """D(s) in [0, 1], shape (B,), of densities (B,) of target and non-target scores; 1 where no non-target score falls.

    2 w / (1 + w) - 1 with w = `prior_ratio` target / nontarget is (a - b) / (a + b), which has no infinities.
    """
    a, b = prior_ratio * target, nontarget
    return np.divide(a - b, a + b, out=np.zeros(len(a)), where=a > b)


def _finite(values: Iterable[float], name: str) -> np.ndarray:
    scores = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64).ravel()
    if not scores.size:
        raise MetricError(f"linkability needs {name} scores, got none")
    if bad := int((~np.isfinite(scores)).sum()):
        raise MetricError(f"{bad} of {scores.size} {name} scores are NaN or infinite")
    return scores
