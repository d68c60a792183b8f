"""Largest errors of BatchNorm's results against ball arithmetic, with numbers of all sizes.

x, its offset, g, v, gamma, beta and the upstream gradients of both have a size of their own in every channel, and eps
has one in every batch, spread over the powers of ten: in half of the batches over the whole range of the type, with
subnormal numbers, in the others from 0.001 to 1000. In 2 % of the channels x is constant, and in as many each of the
others, but for eps, is zero; eps is zero in a tenth of the batches. Batches have 2 to 40 samples. The unit is that of
``numeric.batchnorm``, or the smallest subnormal number where that is larger. Exits with 1 when an error exceeds the
target. Argument: number of channels of each type (100 000). Needs python-flint, the optional extra ``rigorous``.
"""

import sys
from collections.abc import Iterator

import numpy as np
from batchnorm_accuracy import Array, results
from flint import arb, ctx

from numeric import batchnorm

TARGET: dict[type, float] = {np.float64: 4.0, np.float32: 2.0}
RANGE: dict[type, tuple[float, float]] = {np.float64: (-323.0, 308.0), np.float32: (-45.0, 38.0)}
MODERATE = (-3.0, 3.0)
SAMPLES = (2, 3, 5, 8, 16, 33, 40)
CHANNELS = 250
WITHOUT_BOUND = "grad_gamma alone"
ctx.prec = 500  # bits; numbers that are added to each other in a channel are less far apart, or negligible


def balls(array: Array) -> Array:
    """Floats as exact numbers."""
    return np.asarray(np.frompyfunc(lambda value: arb(float(value)), 1, 1)(array), dtype=object)


def batches(channels: int, dtype: type) -> Iterator[tuple[float, list[Array]]]:
    """eps, and the arguments x, g, v and parameters."""
    rng = np.random.default_rng(0)
    least, most = RANGE[dtype]

    def spread(low: float, high: float, *shape: int) -> Array:
        """Sizes that are evenly spread between two powers of ten, in a random order."""
        exponents = np.linspace(low, high, int(np.prod(shape)))
        rng.shuffle(exponents)
        with np.errstate(all="ignore"):
            return (10.0 ** exponents.reshape(shape)).clip(0, 10.0**most)

    of_eps = spread(-323, 308, -(-channels // CHANNELS))
    of_eps[::5] = 0.0
    for index, eps in enumerate(of_eps.tolist()):
        low, high = (least, most) if index % 2 else MODERATE
        shape = SAMPLES[index % len(SAMPLES)], CHANNELS
        sizes = spread(low, high, 8, CHANNELS)
        offset = spread(-3, 6, CHANNELS) * rng.integers(0, 2, CHANNELS)
        largest = np.finfo(dtype).max
        with np.errstate(all="ignore"):
            x, g, v = rng.standard_normal((3, *shape)) * sizes[:3, None]
            x += (offset * sizes[0]).clip(0, largest)
            parameters = rng.standard_normal((4, CHANNELS)) * sizes[3:7]
            x[:, :: CHANNELS // 5] = x[0, :: CHANNELS // 5]
            for place, array in enumerate((g, v, *parameters), 1):  # not where x is constant
                array[..., place :: CHANNELS // 5] = 0
            arguments: list[Array] = [a.clip(-largest, largest).astype(dtype) for a in (x, g, v, parameters)]
            yield eps if index % 2 else 1e-5, arguments


def inference(x: Array, parameters: Array, eps: float) -> tuple[str, Array, Array, Array]:
    """As :func:`results`, with the statistics of the batch as given ones."""
    found = batchnorm.forward(x, parameters[0], parameters[1], eps)
    mean, variance = (a.clip(-np.finfo(x.dtype).max, np.finfo(x.dtype).max) for a in found[1:])
    if eps == 0:
        variance[variance == 0] = 1
    exact, (gamma, beta), m, v, added = map(balls, (x, parameters[:2], mean, variance, np.array(eps)))
    product = gamma * (exact - m) / np.sqrt(v + added)
    y = batchnorm.inference(x, mean, variance, parameters[0], parameters[1], eps)
    return "inference", y, product + beta, np.abs(product) + np.abs(beta)


def largest_error(found: Array, exact: Array, size: Array, dtype: type) -> float:
    """In units, infinite where nothing is known; 0 where what is infinite may be, since the target allows it."""
    limits = np.finfo(dtype)
    allowed = TARGET[dtype]
    tiny, most, ulp = arb(float(limits.smallest_subnormal)), arb(float(limits.max)), arb(float(limits.eps))
    worst = 0.0
    for value, true, added in np.nditer(
        [found.astype(np.float64), *np.broadcast_arrays(exact, size)], flags=["refs_ok"]
    ):
        ball, of_size = true.item(), added.item()
        unit = max(ulp * of_size, tiny)
        number = float(value)
        if np.isfinite(number):
            error = float(((arb(number) - ball) / unit).abs_upper())  # of a wide ball, too much
        else:
            sign = np.sign(number)  # nan if it is no number
            error = 0.0 if abs(sign) == 1 and int(sign) * ball + allowed * unit > most else np.inf
        worst = max(worst, np.inf if np.isnan(error) else error)
    return worst


def main() -> int:
    """Print a table; the exit status says whether the target is met."""
    channels = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    missed = False
    for dtype, target in TARGET.items():
        worst: dict[str, float] = {}
        for eps, (x, g, v, parameters) in batches(channels, dtype):
            with np.errstate(all="ignore"):
                training = results(x, g, v, parameters, eps, balls)
                for name, found, exact, size in (*training, inference(x, parameters, eps)):
                    if name != WITHOUT_BOUND:
                        worst[name] = max(worst.get(name, 0.0), largest_error(found, exact, size, dtype))
        over = [name for name, error in worst.items() if not error <= target]
        missed |= bool(over)
        print(np.dtype(dtype).name, "  ".join(f"{name} {error:.2f}" for name, error in worst.items()), *over)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
