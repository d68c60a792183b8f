"""Search for the largest errors of BatchNorm among odd data, in x and in g: spikes, steps, sequences, heavy tails.

The unit is that of ``numeric.batchnorm``. Arguments: number of batches of each type (2000), and a seed (0). There is no
target: the docstring states what was found. Needs a long double of 64 bits or more, as on x86.
"""

import sys
from collections.abc import Callable

import numpy as np
from batchnorm_accuracy import Array, errors

rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
Shape = tuple[int, int]


def spikes(shape: Shape) -> Array:
    """Zero but for a few samples, in which all channels are the same, or none."""
    x = np.zeros(shape)
    for _ in range(rng.integers(1, 12)):
        x[rng.integers(shape[0])] = rng.standard_normal(shape[1] if rng.random() < 0.5 else 1)
    return x


def equal_spikes(shape: Shape) -> Array:
    """Zero but for a few samples, which are the same."""
    x = np.zeros(shape)
    x[rng.permutation(shape[0])[: rng.integers(1, 8)]] = rng.standard_normal(shape[1])
    return x


def two_values(shape: Shape) -> Array:
    """Two values in each channel, any share of each."""
    either = rng.random(shape) < rng.random(shape[1])
    return either * rng.standard_normal(shape[1]) + rng.standard_normal(shape[1]) * (rng.random() < 0.5)


def step(shape: Shape) -> Array:
    """A step of any height somewhere, and noise."""
    above = np.arange(shape[0])[:, None] > rng.integers(shape[0])
    return above * rng.standard_normal(shape[1]) * 10 ** rng.uniform(-1, 3) + rng.standard_normal(shape)


def geometric(shape: Shape) -> Array:
    """A sequence that decays."""
    return rng.uniform(0.3, 0.99, shape[1]) ** np.arange(shape[0])[:, None] * rng.standard_normal(shape[1])


def lognormal(shape: Shape) -> Array:
    """Heavy tails on one side."""
    return np.exp(rng.uniform(0.5, 4) * rng.standard_normal(shape))


ANY: dict[str, Callable[[Shape], Array]] = {
    "normal": lambda shape: rng.standard_normal(shape),
    "offset": lambda shape: 10 ** rng.uniform(0, 6) + rng.standard_normal(shape),
    "Cauchy": lambda shape: rng.standard_cauchy(shape),
    "lognormal": lognormal,
    "spikes": spikes,
    "two values": two_values,
    "step": step,
}
OF_X = ANY | {
    "equal spikes": equal_spikes,
    "noisy spikes": lambda shape: spikes(shape) * 10 ** rng.uniform(0, 4) + rng.standard_normal(shape),
    "geometric": geometric,
    "alternating": lambda shape: (-1.0) ** np.arange(shape[0])[:, None] * rng.standard_normal(shape[1]),
    "integers": lambda shape: rng.integers(0, rng.integers(2, 300), shape).astype(float),
}
OF_G = ANY | {"constant": lambda shape: np.ones(shape) * rng.standard_normal(shape[1])}
CHANNELS = (1, 3, 17, 100, 300, 700, 1024, 2048, 4096)


def batch() -> tuple[str, list[Array]]:
    """Data, in words, and the arguments of :func:`batchnorm_accuracy.errors`."""
    channels = int(rng.choice(CHANNELS))
    shape = int(np.exp(rng.uniform(np.log(2), np.log(min(6000, 400_000 // channels))))), channels
    of_x, of_g, of_v = rng.choice(list(OF_X)), rng.choice(list(OF_G)), rng.choice(list(OF_G))
    parameters = rng.standard_normal((4, channels)) * 10 ** rng.uniform(-2, 2, (4, 1))
    parameters[1:] *= rng.random() < 0.7
    return f"x {of_x}, g {of_g}, {shape}", [
        OF_X[of_x](shape),
        OF_G[of_g](shape),
        OF_G[of_v](shape),
        parameters,
    ]


def main() -> int:
    """Print the largest error of each result, and where it was found."""
    batches = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for dtype in (np.float64, np.float32):
        worst: dict[str, tuple[float, str]] = {}
        for _ in range(batches):
            data, arguments = batch()
            with np.errstate(all="ignore"):
                for name, error in errors(*(argument.astype(dtype) for argument in arguments)):
                    worst[name] = max(worst.get(name, (0.0, "")), (error, data))
        for name, (error, data) in worst.items():
            print(f"{np.dtype(dtype).name:9}{name:20}{error:6.2f}  {data}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
