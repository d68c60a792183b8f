"""Largest errors of BatchNorm's output, variance and gradients against the definition in extended precision.

In the unit of ``numeric.batchnorm``: the rounding unit times the sizes of what is added, of the variance its own size.
Batches of 2 to 2000 samples with 1 and 300 channels, of data of many kinds. Exits with 1 when an error exceeds what the
docstring states. Argument: number of seeds (10). Needs a long double of 64 bits or more, as on x86.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from numeric import batchnorm

EPS = 1e-5
SAMPLES = (2, 5, 17, 31, 32, 33, 60, 64, 65, 100, 128, 200, 500, 1000, 2000)
CHANNELS = (1, 300)
Array = np.ndarray[Any, Any]
Kind = Callable[[np.random.Generator, tuple[int, int]], Array]

TAME: dict[str, Kind] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "normal, offset 1000": lambda rng, shape: 1000 + rng.standard_normal(shape),
    "uniform": lambda rng, shape: rng.random(shape),
}
WILD: dict[str, Kind] = {
    "Student, 2 degrees": lambda rng, shape: rng.standard_t(2, shape),
    "sparse, 1 in 20": lambda rng, shape: rng.standard_normal(shape) * (rng.random(shape) < 0.05),
    "one outlier": lambda rng, shape: (
        np.where(np.arange(shape[0])[:, None], 1, 1e3) * rng.standard_normal(shape)
    ),
}
STATED: dict[str, dict[type, tuple[float, float]]] = {
    "tame": {np.float64: (3.3, 3.3), np.float32: (2.6, 1.7)},
    "wild": {np.float64: (10.5, 16), np.float32: (6, 12)},
}
"""Of y and the gradients, and of the variance."""


def errors(x: Array, g: Array, gamma: Array, beta: Array) -> Iterator[tuple[str, float]]:
    """The largest error of each result, by name."""
    exact_x, exact_g, scale, shift = (a.astype(np.longdouble) for a in (x, g, gamma, beta))
    deviations = exact_x - exact_x.mean(axis=0)
    variance = np.mean(deviations**2, axis=0)
    s = 1 / np.sqrt(variance + np.longdouble(EPS))
    xhat = s * deviations
    products = exact_g * xhat
    top, product_size = np.abs(xhat).max(axis=0), np.abs(products).mean(axis=0)
    forward, first = batchnorm.forward(x, gamma, beta, EPS), batchnorm.backward(x, g, gamma, EPS)
    results = {
        "y": (forward.y, scale * xhat + shift, np.abs(scale) * top + np.abs(shift)),
        "variance": (forward.variance, variance, variance),
        "grad_input": (
            first.grad_input,
            scale * s * (exact_g - exact_g.mean(axis=0) - products.mean(axis=0) * xhat),
            np.abs(scale) * s * (np.abs(exact_g).max(axis=0) + product_size * top),
        ),
        "grad_gamma": (first.grad_gamma, products.sum(axis=0), len(x) * product_size),
        "grad_beta": (first.grad_beta, exact_g.sum(axis=0), np.abs(exact_g).sum(axis=0)),
    }
    for name, (found, exact, size) in results.items():
        error = np.atleast_2d(np.abs(found - exact)).max(axis=0)
        unit = np.finfo(x.dtype).eps * size
        yield name, float(np.max(error[unit > 0] / unit[unit > 0], initial=0.0))


def main() -> int:
    """Print a table; the exit status says whether all bounds hold."""
    if np.finfo(np.longdouble).nmant < 63:
        print("needs a long double of 64 bits or more")
        return 2
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    exceeded = False
    for dtype in (np.float64, np.float32):
        for group, kinds in (("tame", TAME), ("wild", WILD)):
            of_rest, of_variance = STATED[group][dtype]
            for kind, draw in kinds.items():
                worst: dict[str, float] = {}
                for seed in range(seeds):
                    rng = np.random.default_rng(seed)
                    for shape in ((m, channels) for m in SAMPLES for channels in CHANNELS):
                        x, g = (a.astype(dtype) for a in (draw(rng, shape), rng.standard_normal(shape)))
                        gamma, beta = rng.standard_normal((2, shape[1])).astype(dtype)
                        for name, error in errors(x, g, gamma, beta):
                            worst[name] = max(worst.get(name, 0.0), error)
                over = [
                    name for name, e in worst.items() if e > (of_variance if name == "variance" else of_rest)
                ]
                exceeded |= bool(over)
                shown = "  ".join(f"{name} {error:.2f}" for name, error in worst.items())
                print(f"{np.dtype(dtype).name:9}{kind:20}  {shown}  {'EXCEEDED' if over else ''}", flush=True)
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
