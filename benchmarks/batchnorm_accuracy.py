"""Largest errors of BatchNorm's output, variance, gradients and second gradients, against extended precision.

In the unit of ``numeric.batchnorm``: the rounding unit times the sizes of what is added, of the variance its own size.
Batches of 2 to 2000 samples with 1, 300 and (up to 128 samples) 4096 channels, of data of many kinds. Exits with 1 when
an error exceeds what is stated below. Argument: number of seeds (10). Needs a long double of 64 bits or more, as on
x86. Only roundings are measured: the formulas are the same, and the tests hold them against PyTorch.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from numeric import batchnorm

EPS = 1e-5
SAMPLES = (2, 5, 8, 17, 31, 32, 33, 60, 64, 65, 100, 128, 200, 500, 1000, 2000)
SHAPES = [(m, channels) for m in SAMPLES for channels in (1, 300, 4096) if m * channels <= 600_000]
Array = np.ndarray[Any, Any]
Kind = Callable[[np.random.Generator, tuple[int, int]], Array]

TAME: dict[str, Kind] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "normal, offset 1000": lambda rng, shape: 1000 + rng.standard_normal(shape),
    "uniform": lambda rng, shape: rng.random(shape),
    "rising": lambda rng, shape: (
        np.arange(shape[0])[:, None] * rng.standard_normal(shape[1]) + rng.standard_normal(shape)
    ),
}
WILD: dict[str, Kind] = {
    "Student, 2 degrees": lambda rng, shape: rng.standard_t(2, shape),
    "sparse, 1 in 20": lambda rng, shape: rng.standard_normal(shape) * (rng.random(shape) < 0.05),
    "one outlier": lambda rng, shape: (
        np.where(np.arange(shape[0])[:, None], 1, 1e3) * rng.standard_normal(shape)
    ),
}
STATED: dict[str, dict[type, dict[str, float]]] = {
    "tame": {
        np.float64: {"variance": 2.5, "": 3},
        np.float32: {"": 2},
    },
    "wild": {
        np.float64: {"": 3.6, "grad_gamma alone": 11},
        np.float32: {"": 2, "grad_gamma alone": 6},
    },
}
"""By name, and of everything else: 4 and 2 at most, but for grad_gamma in the unit that the mean is left out of."""


def results(
    x: Array, g: Array, v: Array, parameters: Array, eps: float, exactly: Callable[[Array], Array]
) -> Iterator[tuple[str, Array, Array, Array]]:
    """Name, what is found, what is true, and the size of what is added, of every result.

    Parameters are gamma, beta and the upstream gradients v of both. What is true is computed in the numbers, of higher
    precision, that ``exactly`` turns an array into.
    """
    exact_x, exact_g, exact_v, exact_parameters = (exactly(a) for a in (x, g, v, parameters))
    gamma, beta, v_gamma, v_beta = exact_parameters

    mean = exact_x.mean(axis=0)
    deviations = exact_x - mean
    deviations -= deviations.mean(axis=0)  # the first mean was rounded in the size of x
    variance = np.mean(deviations**2, axis=0)
    added = variance + exactly(np.array(eps))
    constant = added == 0  # with eps = 0 too: s counts as 0
    s = np.where(constant, 0, 1 / np.sqrt(np.where(constant, exactly(np.ones(())), added)))
    xhat = s * deviations
    (mean_g, g_xhat, size_g, size_g_xhat), (mean_v, v_xhat, size_v, size_v_xhat) = (
        [a.mean(axis=0) for a in (b, b * xhat, np.abs(b), np.abs(b * xhat))] for b in (exact_g, exact_v)
    )
    # the mean of x is a sum, too, and its rounding meets the mean of g
    size_with_mean = size_g_xhat + np.abs(mean_g) * np.abs(xhat).mean(axis=0)
    size_vg = np.abs(exact_v * exact_g).mean(axis=0)
    c = (exact_v * exact_g).mean(axis=0) - mean_v * mean_g - v_xhat * g_xhat
    size_c = size_vg + size_v * size_g + size_v_xhat * size_g_xhat
    top, top_g, top_v = (np.abs(a).max(axis=0) for a in (xhat, exact_g, exact_v))
    of_gamma, of_v_gamma = np.abs(gamma) * s, np.abs(v_gamma) * s
    samples, centred_g = len(x), exact_g - mean_g - g_xhat * xhat

    forward = batchnorm.forward(x, parameters[0], parameters[1], eps)
    first = batchnorm.backward(x, g, parameters[0], eps)
    second = batchnorm.double_backward(x, g, parameters[0], eps, v, parameters[2], parameters[3])
    yield "y", forward.y, gamma * xhat + beta, np.abs(gamma) * top + np.abs(beta)
    yield "mean", forward.mean, mean, np.abs(exact_x).mean(axis=0)
    yield "variance", forward.variance, variance, variance
    yield "grad_input", first.grad_input, gamma * s * centred_g, of_gamma * (top_g + size_g_xhat * top)
    yield "grad_gamma", first.grad_gamma, samples * g_xhat, samples * size_with_mean
    yield "grad_gamma alone", first.grad_gamma, samples * g_xhat, samples * size_g_xhat
    yield "grad_beta", first.grad_beta, samples * mean_g, samples * size_g
    yield (
        "second grad_input",
        second.grad_input,
        v_gamma * s * centred_g
        - gamma
        * s**2
        * (g_xhat * (exact_v - mean_v) + v_xhat * (exact_g - mean_g) + (c - 2 * v_xhat * g_xhat) * xhat),
        of_v_gamma * (top_g + size_g_xhat * top)
        + of_gamma
        * s
        * (size_g_xhat * top_v + size_v_xhat * top_g + (size_c + 2 * size_v_xhat * size_g_xhat) * top),
    )
    yield (
        "second grad_g",
        second.grad_g,
        gamma * s * (exact_v - mean_v - v_xhat * xhat) + v_gamma * xhat + v_beta,
        of_gamma * (top_v + size_v_xhat * top) + np.abs(v_gamma) * top + np.abs(v_beta),
    )
    yield "second grad_gamma", second.grad_gamma, samples * s * c, samples * s * size_c


def errors(x: Array, g: Array, v: Array, parameters: Array) -> Iterator[tuple[str, float]]:
    """The largest error of each result, by name, against extended precision."""
    for name, found, exact, size in results(
        x, g, v, parameters, EPS, lambda array: array.astype(np.longdouble)
    ):
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
            stated = STATED[group][dtype]
            for kind, draw in kinds.items():
                worst: dict[str, float] = {}
                for seed in range(seeds):
                    rng = np.random.default_rng(seed)
                    for shape in SHAPES:
                        x = draw(rng, shape).astype(dtype)
                        g, v = rng.standard_normal((2, *shape)).astype(dtype)
                        parameters = rng.standard_normal((4, shape[1])).astype(dtype)
                        for name, error in errors(x, g, v, parameters):
                            worst[name] = max(worst.get(name, 0.0), error)
                over = [name for name, error in worst.items() if error > stated.get(name, stated[""])]
                exceeded |= bool(over)
                shown = "  ".join(f"{name} {error:.2f}" for name, error in worst.items())
                print(f"{np.dtype(dtype).name:9}{kind:20}  {shown}  {'EXCEEDED' if over else ''}", flush=True)
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
