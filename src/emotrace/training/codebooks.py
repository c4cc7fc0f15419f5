"""Codebooks learned from frames: k-means and vector quantisation. Axes: N frames, C channels, K codes."""

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from emotrace.representation.discrete import Codebook


def kmeans(features: Tensor, units: int = 100, *, seed: int) -> Codebook:
    """Codes at the means of clusters of frames (N, C), as HuBERT's discrete units are made.

    The same seed gives the same codes. Raises ValueError for fewer frames than units.
    """
    _require_enough(features, units)
    clusters = KMeans(units, n_init=1, random_state=seed).fit(features.double().numpy())
    return Codebook(torch.from_numpy(clusters.cluster_centers_))


def moving_averages(
    features: Tensor, codes: int = 48, *, seed: int, steps: int = 200, batch: int = 1_024, decay: float = 0.95
) -> Codebook:
    """Codes learned by exponential moving averages (van den Oord et al. 2017, appendix A), as VQ bottlenecks train.

    From frames (N, C) in random batches; a code without frames restarts at a random frame. 48 codes is the number of
    VPC's B5. The same seed gives the same codes. Raises ValueError for fewer frames than codes.
    """
    _require_enough(features, codes)
    generator = torch.Generator().manual_seed(seed)
    features = features.float()
    book = Codebook(features[torch.randperm(len(features), generator=generator)[:codes]].clone())
    counts, sums = torch.ones(codes), book.codes.clone()
    for _ in range(steps):
        frames = features[torch.randint(len(features), (batch,), generator=generator)]
        counts, sums = _moved(counts, sums, frames, book.ids(frames), decay)
        dead = counts < 1e-2
        counts[dead] = 1.0
        sums[dead] = frames[: int(dead.sum())]
        book.codes.copy_(sums / counts[:, None])
    return book


def _moved(counts: Tensor, sums: Tensor, frames: Tensor, ids: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """One step of the moving averages of frames per code (K,) and of their sum (K, C)."""
    chosen = nn.functional.one_hot(ids, len(counts)).float()
    return decay * counts + (1 - decay) * chosen.sum(0), decay * sums + (1 - decay) * chosen.T @ frames


def _require_enough(features: Tensor, codes: int) -> None:
    if features.ndim != 2 or len(features) < codes:
        raise ValueError(f"{codes} codes need at least as many frames (N, C), got shape {tuple(features.shape)}")
    if not torch.isfinite(features).all():
        raise ValueError("a codebook cannot be fitted to NaN or infinite frames")
