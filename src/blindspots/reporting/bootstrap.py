"""The bootstrap of a mean whose observations come in clusters, for many columns at once.

Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 14.3: bias-corrected and
accelerated (BCa) intervals. Clusters are drawn with replacement, never single observations:
differences from one source share its image, and its confidence.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES, LEVEL = 9999, 0.95
_AT_ONCE = 2_000_000

Sums = Float[np.ndarray, "clusters columns"]


class Interval(NamedTuple):
    """A mean and its interval; NaN where fewer than two clusters leave it unknown."""

    mean: float
    low: float
    high: float


def cluster_intervals(
    sums: Sums, counts: Sums, seed: int = 0, resamples: int = RESAMPLES
) -> list[Interval]:
    """The mean Σ sums / Σ counts of each column, with its BCa 95 % interval.

    `sums`, `counts`: of each cluster's observations, by column; every count at least 1. The same
    resamples serve all columns.
    """
    means = sums.sum(axis=0) / counts.sum(axis=0)
    if len(sums) < 2:
        return [Interval(float(mean), float("nan"), float("nan")) for mean in means]
    drawn = _resampled(sums, counts, seed, resamples)
    without = (sums.sum(axis=0) - sums) / (counts.sum(axis=0) - counts)
    return [_interval(*column) for column in zip(means, drawn.T, without.T, strict=True)]


def _resampled(
    sums: Sums, counts: Sums, seed: int, resamples: int
) -> Float[np.ndarray, "resamples columns"]:
    """The means of resampled clusters; in parts, so that memory does not grow with clusters."""
    rng, clusters = np.random.default_rng(seed), len(sums)
    both, share = np.concatenate((sums, counts), axis=1), np.full(clusters, 1 / clusters)
    part = max(1, _AT_ONCE // clusters)
    sizes = [min(part, resamples - start) for start in range(0, resamples, part)]
    totals = np.concatenate([rng.multinomial(clusters, share, size) @ both for size in sizes])
    return totals[:, : sums.shape[1]] / totals[:, sums.shape[1] :]


def _interval(mean: float, drawn: np.ndarray, without: np.ndarray) -> Interval:
    normal = NormalDist()
    below = ((drawn < mean).mean() + (drawn <= mean).mean()) / 2
    if not 0 < below < 1:  # every resample is on one side: nothing to correct by
        low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return Interval(float(mean), float(low), float(high))
    bias, bend = normal.inv_cdf(float(below)), _acceleration(without)
    ends = [bias + normal.inv_cdf(tail) for tail in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)]
    shares = [normal.cdf(bias + end / (1 - bend * end)) for end in ends]
    low, high = np.quantile(drawn, shares)
    return Interval(float(mean), float(low), float(high))


def _acceleration(without: np.ndarray) -> float:
    gap = without.mean() - without
    scale = (gap**2).sum() ** 1.5
    return float((gap**3).sum() / (6 * scale)) if scale else 0.0
