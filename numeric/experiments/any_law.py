"""The logistic law: symmetric, and none of those that formulas are worked out for.

What is claimed for every symmetric law is tested with it. Its scale is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from scipy.integrate import quad

from numeric.monte_carlo import Array, Estimate, sample_means


def density(w: float) -> float:
    """The density.

    Examples
    --------
    >>> density(0.0)
    0.25
    """
    decay = np.exp(-abs(w))
    return float(decay / (1 + decay) ** 2)


def distribution(w: float) -> float:
    """The distribution function.

    Examples
    --------
    >>> distribution(0.0)
    0.5
    """
    return float(1 / (1 + np.exp(-w)))


def draw(rng: np.random.Generator, n: int) -> Array:
    """Independent draws, shape (n,)."""
    return rng.logistic(size=n)


def ternary_estimates(
    delta: float, draws: int, *, seed: int, stream: int, jobs: int = 1
) -> Mapping[str, Estimate]:
    """``p_plus``, ``p_zero`` and ``variance`` of ternary weights with a given threshold, from plain draws.

    Parameters
    ----------
    delta
        Threshold, at least 0.
    draws, seed, stream, jobs
        As in :func:`numeric.monte_carlo.sample_means`.
    """
    if not delta >= 0:
        raise ValueError(f"delta must be at least 0, got {delta}")

    def statistics(rng: np.random.Generator, n: int) -> Array:
        w = draw(rng, n)
        out = np.empty((2, n))
        np.greater(w, delta, out=out[0], casting="unsafe")
        np.less(w, -delta, out=out[1], casting="unsafe")
        return out

    means = sample_means(statistics, draws, seed=seed, stream=stream, jobs=jobs)
    return {
        "p_plus": means.of(lambda t: float(t[0])),
        "p_zero": means.of(lambda t: float(1 - t[0] - t[1])),
        "variance": means.of(lambda t: float(t[0] + t[1] - (t[0] - t[1]) ** 2)),
    }


def ternary_mean(delta: float) -> float:
    """Mean of ternary weights with a given threshold, by quadrature of the density on either side.

    Examples
    --------
    >>> abs(ternary_mean(0.8)) < 1e-15
    True
    """
    if not delta >= 0:
        raise ValueError(f"delta must be at least 0, got {delta}")
    cuts = [delta, *(delta + step for step in (1.0, 3.0, 8.0, 20.0, 40.0))]
    above = [quad(density, a, b, epsabs=0.0, epsrel=1e-13)[0] for a, b in pairwise(cuts)]
    below = [quad(density, -b, -a, epsabs=0.0, epsrel=1e-13)[0] for a, b in pairwise(cuts)]
    return float(sum(above) - sum(below))
