"""Batches that are bad for BatchNorm: made so, and found by improving on random ones again and again.

The unit is that of ``numeric.batchnorm``, whose docstring states what was found; there is no target. Made so:

- g normal with one number that is much larger, in which all sums of g are rounded (grad_beta);
- the first samples unlike the others, so that the first estimate of the mean is off, and g and v zero except where x is
  near its mean: what the estimate adds cancels, and the unit knows nothing of it.

Improving: in every channel of a batch numbers are changed, and what makes an error of that channel larger is kept.
Arguments: rounds of that (100), and a seed (0). Needs a long double of 64 bits or more, as on x86.
"""

import sys
from collections.abc import Iterator

import numpy as np
from batchnorm_accuracy import EPS, Array, results

from numeric.evaluation.channels import _FIRST  # samples of the first estimate

CHANNELS = 256
SAMPLES = (40, 70, 300)
BATCHES = 60


def errors(arguments: list[Array], dtype: type) -> Iterator[tuple[str, Array]]:
    """Errors in every channel, of each result."""
    rounded: list[Array] = [a.astype(dtype) for a in arguments]
    x, g, v, parameters = rounded
    with np.errstate(all="ignore"):
        for name, found, exact, size in results(x, g, v, parameters, EPS, lambda a: a.astype(np.longdouble)):
            error = np.atleast_2d(np.abs(found - exact)).max(axis=0) / (np.finfo(dtype).eps * size)
            yield name, np.where(np.isfinite(error), error, 0.0).astype(np.float64)


def with_one_outlier(rng: np.random.Generator) -> list[Array]:
    """In one sample g is 10 to 10^5 times as large as in the others."""
    shape = int(np.exp(rng.uniform(np.log(33), np.log(1000)))), 4 * CHANNELS
    x, g, v = rng.standard_normal((3, *shape))
    g[rng.integers(len(g))] *= 10 ** rng.uniform(1, 5)
    return [x, g, v, rng.standard_normal((4, shape[1]))]


def with_an_estimate_that_is_off(rng: np.random.Generator) -> list[Array]:
    """The first samples lie 0.45 standard deviations off; g and v are zero but for samples near the mean."""
    first = max(_FIRST.values())
    x = rng.choice([-1.0, 1.0], (2000, CHANNELS)) * (1 + 0.1 * rng.standard_normal((2000, CHANNELS)))
    x[:first] = 0.45 + 1e-3 * rng.standard_normal((first, CHANNELS))
    near = rng.permutation(np.arange(first, 2000))[:20]
    x[near] = 0
    x[near] = x.mean(axis=0) * 2000 / 1980 + 10 ** rng.uniform(-6, -1, CHANNELS) * rng.standard_normal(
        (20, CHANNELS)
    )
    g, v = np.zeros((2, 2000, CHANNELS))
    g[near], v[near] = rng.standard_normal((2, 20, CHANNELS))
    parameters = rng.standard_normal((4, CHANNELS))
    parameters[2:] *= rng.integers(0, 2)
    return [x, g, v, parameters]


def changed(arguments: list[Array], rng: np.random.Generator) -> list[Array]:
    """Some numbers of each array multiplied by any number, or by one near 1."""
    found = []
    for a in arguments:
        factor = np.where(
            rng.random(a.shape) < 0.5,
            1 + 10 ** -rng.uniform(1, 16, a.shape) * rng.standard_normal(a.shape),
            10 ** rng.uniform(-2, 2, a.shape) * rng.choice([-1, 0, 1], a.shape),
        )
        few = rng.random(a.shape) < rng.choice([0.003, 0.03, 0.3], a.shape[-1]) * (
            rng.random(a.shape[-1]) < 0.6
        )
        found.append(np.where(few, a * factor, a))
    return found


def improved(name: str, dtype: type, rounds: int, rng: np.random.Generator) -> float:
    """The largest error of a result after so many rounds."""
    largest = 0.0
    for samples in SAMPLES:
        best = [*rng.standard_normal((3, samples, CHANNELS)), rng.standard_normal((4, CHANNELS))]
        error = dict(errors(best, dtype))[name]
        for _ in range(rounds):
            tried = changed(best, rng)
            found = dict(errors(tried, dtype))[name]
            better = found > error
            best = [np.where(better, new, old) for new, old in zip(tried, best, strict=True)]
            error = np.maximum(error, found)
        largest = max(largest, float(error.max()))
    return largest


def main() -> int:
    """Print the largest error of each result."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    for dtype in (np.float64, np.float32):
        for make in (with_one_outlier, with_an_estimate_that_is_off):
            worst: dict[str, float] = {}
            for _ in range(BATCHES):
                for name, error in errors(make(rng), dtype):
                    worst[name] = max(worst.get(name, 0.0), float(error.max()))
            shown = "  ".join(f"{name} {error:.3g}" for name, error in worst.items())
            print(f"{np.dtype(dtype).name:9}{make.__name__.replace('_', ' ')}:  {shown}", flush=True)
        for name in [*worst]:
            print(
                f"{np.dtype(dtype).name:9}improved {name:20}{improved(name, dtype, rounds, rng):7.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
