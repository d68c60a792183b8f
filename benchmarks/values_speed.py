"""Time of the fast values over that of the plain expressions in SciPy and NumPy, on a million elements.

The two take turns in one process; of each the shortest processor time is kept, which other work on the machine hardly
changes. Inputs decide: of numbers within one standard deviation SciPy's distribution function takes a quarter of the
time that it takes of others. Shift ratios and thresholds are normal with mean 0 and standard deviation 3, in sigma;
"normal" 1, "near" 0.4; "small", uniform up to 0.7. Standard deviations are from 1/2 to 2; "mixed", mu is normal and
sigma from 1/10 to 2, with some far shift ratios in every block; "wide", from a thousandth to a thousand.
Exits with 1 when a fast value takes more than twice the time of the plain SciPy expression. The shares of the
uniform and the Laplace law are in SciPy those of `scipy.stats`; the gradient of the gate, which is a density, is
compared with that and with the exponential in bare NumPy, a harder target. What is one multiplication, division or
exponential in bare NumPy is compared with that too, but without a target: to read arguments and check them takes as
long.
"""

import sys
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import erf, ndtr

from numeric import pact, relu, ternary, uniform_levels

ELEMENTS = 1_000_000
ROUNDS = 11
SECONDS = 0.5
"""For functions of some milliseconds, of which 11 rounds do not always meet a quiet moment."""
TARGET = 2.0

Cases = dict[str, tuple[Callable[[], Any], Callable[[], Any]]]


def phi(a: Any) -> Any:
    """The standard normal density."""
    return np.exp(-a * a / 2) * 0.3989422804014327


def plain_mean(mu: Any, sigma: Any) -> Any:
    """phi + a Phi."""
    a = mu / sigma
    return sigma * (phi(a) + a * ndtr(a))


def plain_second_moment(mu: Any, sigma: Any) -> Any:
    """a phi + (1 + a^2) Phi."""
    a = mu / sigma
    return sigma**2 * (a * phi(a) + (1 + a * a) * ndtr(a))


def plain_variance(mu: Any, sigma: Any) -> Any:
    """Second moment minus squared mean."""
    a = mu / sigma
    density, gate = phi(a), ndtr(a)
    return sigma**2 * (a * density + (1 + a * a) * gate - (density + a * gate) ** 2)


def plain_variance_gradient(mu: Any, sigma: Any) -> Any:
    """2 sigma M1 Phi(-a), 2 sigma (Phi - M1 phi)."""
    a = mu / sigma
    density, gate = phi(a), ndtr(a)
    first = density + a * gate
    return 2 * sigma * first * ndtr(-a), 2 * sigma * (gate - first * density)


def plain_gate_gradient(mu: Any, sigma: Any) -> Any:
    """phi/sigma, -a phi/sigma."""
    a = mu / sigma
    density = phi(a) / sigma
    return density, -a * density


def gate_gradient_of_scipy(mu: Any, sigma: Any) -> Any:
    """The same with SciPy's density."""
    density = stats.norm.pdf(mu, scale=sigma)
    return density, -mu / sigma * density


def plain_ratio(a: Any) -> Any:
    """Phi over second moment."""
    gate = ndtr(a)
    return gate / (a * phi(a) + (1 + a * a) * gate)


def plain_ratio_variance(a: Any) -> Any:
    """Phi over variance."""
    density, gate = phi(a), ndtr(a)
    return gate / (a * density + (1 + a * a) * gate - (density + a * gate) ** 2)


def plain_mean_gradient(mu: Any, sigma: Any) -> Any:
    """Phi, phi."""
    a = mu / sigma
    return ndtr(a), phi(a)


def plain_second_moment_gradient(mu: Any, sigma: Any) -> Any:
    """2 sigma M1, 2 sigma Phi."""
    a = mu / sigma
    gate = ndtr(a)
    return 2 * sigma * (phi(a) + a * gate), 2 * sigma * gate


def plain_weights(sigma: Any, clip: Any, bits: int) -> Any:
    """The sum over the thresholds."""
    step = 2 * clip / (2**bits - 1)
    return step**2 * (0.25 + 4 * sum(j * ndtr(-j * step / sigma) for j in range(1, 2 ** (bits - 1))))


def plain_grad_alpha(x: Any, alpha: Any, bits: int) -> Any:
    """Piece by piece."""
    steps = 2**bits - 1
    inside = np.rint(steps * x / alpha) / steps - x / alpha
    return np.where(x < 0, 0, np.where(x < alpha, inside, 1)).astype(x.dtype)


def plain_quantised(x: Any, alpha: Any, bits: int) -> Any:
    """Clipped and rounded."""
    steps = 2**bits - 1
    return alpha * np.rint(steps * np.clip(x, 0, alpha) / alpha) / steps


def of_one_array(mu: Any) -> Cases:
    """Fast and plain, by name; sigma the same for all."""
    three, size, rule = 3.0, np.abs(mu), 0.7978845608028654
    return {
        "ternary.variance_at_ratio, gaussian": (
            lambda: ternary.variance_at_ratio(size, "gaussian"),
            lambda: 2 * ndtr(-size * rule),
        ),
        "relu.ratio_variance": (lambda: relu.ratio_variance(mu), lambda: plain_ratio_variance(mu)),
        "relu.second_moment, sigma = 1": (
            lambda: relu.second_moment(mu),
            lambda: mu * phi(mu) + (1 + mu * mu) * ndtr(mu),
        ),
        "relu.gate_probability, sigma = 1": (lambda: relu.gate_probability(mu), lambda: ndtr(mu)),
        "relu.gate_probability, sigma = 3": (
            lambda: relu.gate_probability(mu, three),
            lambda: ndtr(mu / three),
        ),
        "relu.mean, sigma = 1": (lambda: relu.mean(mu), lambda: phi(mu) + mu * ndtr(mu)),
        "relu.mean, sigma = 3": (lambda: relu.mean(mu, three), lambda: plain_mean(mu, three)),
        "relu.ratio": (lambda: relu.ratio(mu), lambda: plain_ratio(mu)),
        "pact.quantised": (lambda: pact.quantised(mu, three, 4), lambda: plain_quantised(mu, three, 4)),
        "pact.grad_alpha": (lambda: pact.grad_alpha(mu, three, 4), lambda: plain_grad_alpha(mu, three, 4)),
        "pact.grad_input": (
            lambda: pact.grad_input(mu, three),
            lambda: ((mu >= 0) & (mu < three)).astype(mu.dtype),
        ),
    }


def of_two_arrays(mu: Any, sigma: Any) -> Cases:
    """Fast and plain, by name; sigma an array."""
    size, root3, root2 = np.abs(mu), 3.0**0.5, 2.0**0.5
    return {
        "relu.gate_probability": (lambda: relu.gate_probability(mu, sigma), lambda: ndtr(mu / sigma)),
        "relu.mean": (lambda: relu.mean(mu, sigma), lambda: plain_mean(mu, sigma)),
        "relu.second_moment": (
            lambda: relu.second_moment(mu, sigma),
            lambda: plain_second_moment(mu, sigma),
        ),
        "relu.variance": (lambda: relu.variance(mu, sigma), lambda: plain_variance(mu, sigma)),
        "relu.gate_probability_gradient": (
            lambda: relu.gate_probability_gradient(mu, sigma),
            lambda: plain_gate_gradient(mu, sigma),
        ),
        "relu.gate_probability_gradient (scipy.stats)": (
            lambda: relu.gate_probability_gradient(mu, sigma),
            lambda: gate_gradient_of_scipy(mu, sigma),
        ),
        "relu.mean_gradient": (
            lambda: relu.mean_gradient(mu, sigma),
            lambda: plain_mean_gradient(mu, sigma),
        ),
        "relu.second_moment_gradient": (
            lambda: relu.second_moment_gradient(mu, sigma),
            lambda: plain_second_moment_gradient(mu, sigma),
        ),
        "relu.c1": (lambda: relu.c1(sigma, mu), lambda: ndtr(mu / np.abs(sigma))),
        "relu.c2": (
            lambda: relu.c2(sigma, mu),
            lambda: plain_second_moment(mu, np.abs(sigma)) / sigma**2,
        ),
        "relu.c2_variance": (
            lambda: relu.c2_variance(sigma, mu),
            lambda: plain_variance(mu, np.abs(sigma)) / sigma**2,
        ),
        "relu.variance_gradient": (
            lambda: relu.variance_gradient(mu, sigma),
            lambda: plain_variance_gradient(mu, sigma),
        ),
        "ternary.p_plus, gaussian": (
            lambda: ternary.p_plus(size, sigma, "gaussian"),
            lambda: ndtr(-size / sigma),
        ),
        "ternary.p_plus, laplace": (
            lambda: ternary.p_plus(size, sigma, "laplace"),
            lambda: stats.laplace.sf(size, scale=sigma / root2),
        ),
        "ternary.p_plus, uniform": (
            lambda: ternary.p_plus(size, sigma, "uniform"),
            lambda: stats.uniform.sf(size, -root3 * sigma, 2 * root3 * sigma),
        ),
        "ternary.variance, gaussian": (
            lambda: ternary.variance(size, sigma, "gaussian"),
            lambda: 2 * ndtr(-size / sigma),
        ),
        "ternary.p_zero, gaussian": (
            lambda: ternary.p_zero(size, sigma, "gaussian"),
            lambda: erf(size / sigma / root2),
        ),
        "ternary.optimal_scale, gaussian": (
            lambda: ternary.optimal_scale(size, sigma, "gaussian"),
            lambda: sigma * phi(size / sigma) / ndtr(-size / sigma),
        ),
        **{
            f"uniform_levels.variance, gaussian, {bits} bits up to {clip:g}": (
                lambda bits=bits, clip=clip: uniform_levels.variance(sigma, clip, bits, "gaussian"),  # type: ignore[misc]
                lambda bits=bits, clip=clip: plain_weights(sigma, clip, bits),  # type: ignore[misc]
            )
            for bits in (2, 3, 4)
            for clip in (1.0, 2.0)
        },
    }


def of_bare_numpy(mu: Any, sigma: Any) -> Cases:
    """Fast, and plain without SciPy, by name."""
    size, three, root3, root2 = np.abs(mu), 3.0, 3.0**0.5, 2.0**0.5
    return {
        **{
            f"pact.quantised, {bits} bits": (
                lambda bits=bits: pact.quantised(mu, three, bits),  # type: ignore[misc]
                lambda bits=bits: plain_quantised(mu, three, bits),  # type: ignore[misc]
            )
            for bits in (8, 16, 32)
        },
        "ternary.p_plus, laplace": (
            lambda: ternary.p_plus(size, sigma, "laplace"),
            lambda: np.exp(-root2 * size / sigma) / 2,
        ),
        "ternary.p_plus, laplace, sigma = 3": (
            lambda: ternary.p_plus(size, three, "laplace"),
            lambda: np.exp(-root2 * size / three) / 2,
        ),
        "ternary.p_plus, uniform": (
            lambda: ternary.p_plus(size, sigma, "uniform"),
            lambda: np.maximum(0.5 - size / (2 * root3 * sigma), 0),
        ),
        "ternary.p_plus, uniform, sigma = 3": (
            lambda: ternary.p_plus(size, three, "uniform"),
            lambda: np.maximum(0.5 - size / (2 * root3 * three), 0),
        ),
        "ternary.p_zero, laplace": (
            lambda: ternary.p_zero(size, sigma, "laplace"),
            lambda: -np.expm1(-root2 * size / sigma),
        ),
        "ternary.mean_abs, gaussian": (
            lambda: ternary.mean_abs(sigma, "gaussian"),
            lambda: sigma * 0.7978845608028654,
        ),
        "ternary.binary_error, gaussian": (
            lambda: ternary.binary_error(sigma, "gaussian"),
            lambda: sigma**2 * 0.3633802276324187,
        ),
    }


def best(function: Callable[[], Any], *others: Callable[[], Any]) -> list[float]:
    """Shortest time of each function, in nanoseconds per element, taken in turns."""
    functions = (function, *others)
    times: list[list[float]] = [[] for _ in functions]
    begin = process_time()
    while len(times[0]) < ROUNDS or process_time() < begin + SECONDS:
        for f, record in zip(functions, times, strict=True):
            start = process_time()
            with np.errstate(all="ignore"):  # of the plain expressions
                f()
            record.append(process_time() - start)
    return [min(record[1:]) / ELEMENTS * 1e9 for record in times]


def main() -> int:
    """Print a table; the exit status says whether the target is met."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    rng = np.random.default_rng(0)
    ratio, sigma = 3 * rng.standard_normal(ELEMENTS), rng.uniform(0.5, 2, ELEMENTS)
    ratios = {"": ratio, "normal": ratio / 3, "near": ratio / 7.5, "small": rng.uniform(-0.7, 0.7, ELEMENTS)}
    others = {"mixed": rng.uniform(0.1, 2, ELEMENTS), "wide": 10 ** rng.uniform(-3, 3, ELEMENTS)}
    missed = 0
    print(f"{'function':60}{'type':9}{'ns':>7}{'plain':>7}{'ratio':>7}")
    for dtype in (np.float64, np.float32):
        judged: Cases = {}
        x, s = ratio.astype(dtype), sigma.astype(dtype)
        for range_, a in ratios.items():
            found = {**of_one_array(a.astype(dtype)), **of_two_arrays((a * sigma).astype(dtype), s)}
            judged |= {f"{name}, {range_}".rstrip(", "): functions for name, functions in found.items()}
        for range_, other in others.items():
            found = of_two_arrays(x, other.astype(dtype))
            judged |= {f"{name}, {range_}": functions for name, functions in found.items()}
        bare = {f"{name} (bare NumPy)": functions for name, functions in of_bare_numpy(x, s).items()}
        for name, functions in (judged | bare).items():
            if wanted in name:
                fast, plain = best(*functions)
                missed += name in judged and fast > TARGET * plain
                share = fast / plain
                print(f"{name:60}{np.dtype(dtype).name:9}{fast:7.1f}{plain:7.1f}{share:7.2f}", flush=True)
    print(f"{missed} take more than {TARGET:g} times the time of the plain SciPy expression")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
