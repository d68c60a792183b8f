"""Errors of the fast values, in units in the last place, against ball arithmetic of the catalogue's closed forms.

The closed form (or its derivative, taken by SymPy) is printed as calls of python-flint and evaluated at the very
doubles that the fast function was given, at a precision that is raised until the ball is narrow. Needs python-flint,
the optional extra ``rigorous``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from itertools import product
from math import frexp, isinf, ldexp
from typing import Any

import numpy as np
import sympy as sp
from flint import arb, ctx, fmpq
from numpy.typing import NDArray
from sympy.printing.pycode import PythonCodePrinter

from derivations import catalog
from derivations.normal import Phi, phi
from derivations.pact import b
from derivations.ternary import K
from numeric import pact, relu, ternary, uniform_levels
from numeric.arrays import Floats
from numeric.evaluation.truncated_moments import PER_UNIT

Grid = Callable[[int, Any], tuple[Floats, ...]]
Inside = Callable[..., NDArray[np.bool_]]

MODERATE = 90
"""Powers of two, up and down, well inside of what fast values take for far from over- and underflow."""


@dataclass(frozen=True)
class Subject:
    """A fast function and what it is held against.

    Attributes
    ----------
    name
        Module and function, and what else tells it apart.
    public
        The function whose docstring states its errors.
    values
        The same as a function of the arrays of the grid.
    reference
        Builds the function of balls, in the same order, when it is needed.
    grid
        Gives arrays of so many points, of one type.
    inside
        Which points belong to the domain of the closed form.
    """

    name: str
    public: Callable[..., Any]
    values: Callable[..., Any]
    reference: Callable[[], Callable[..., arb]]
    grid: Grid
    inside: Inside = lambda *arguments: np.asarray(np.isfinite(arguments).all(axis=0))

    def bound(self, dtype: Any) -> float:
        """The largest error that the docstring states for a type."""
        stated = re.search(r"at most ([\d.]+) ulp \(float32: ([\d.]+)\)", self.public.__doc__ or "")
        if stated is None:
            raise LookupError(f"the docstring of {self.name} states no error")
        return float(stated[1] if dtype == np.float64 else stated[2])


@dataclass(frozen=True)
class Worst:
    """The largest error of a function: in units in the last place, and where."""

    name: str
    points: int
    error: float
    at: tuple[float, ...]
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the stated bound does."""
        return self.error <= self.bound


def worst_of(number: int, points: int) -> Worst:
    """The largest error in float64 of one of the :func:`subjects`, by its number."""
    return worst(subjects()[number], points, np.dtype(np.float64))


def measure(points: int = 2000, dtype: Any = np.float64, names: str = "") -> Iterator[Worst]:
    """The largest error of each function whose name holds ``names``, on a grid over the whole range of the type."""
    return (worst(subject, points, np.dtype(dtype)) for subject in subjects() if names in subject.name)


def worst(subject: Subject, points: int, dtype: Any) -> Worst:
    """The largest error of a function on its grid."""
    arguments = subject.grid(points, dtype)
    errors = errors_at(subject, arguments, dtype)
    where = int(np.argmax(errors))
    at = tuple(float(v[where]) for v in arguments)
    return Worst(subject.name, errors.size, float(errors[where]), at, subject.bound(dtype))


def errors_at(subject: Subject, arguments: tuple[Floats, ...], dtype: Any) -> Floats:
    """Errors of a function at points of a type, in units in the last place."""
    values = _values(subject.values, *arguments)
    reference = subject.reference()
    every = zip(*(v.tolist() for v in (*arguments, values)), strict=True)
    return np.array([ulps(y, enclosed(reference, x), dtype) for *x, y in every])


def _values(function: Callable[..., Floats], *arguments: Floats) -> Floats:
    """Values on a grid of one or two arguments, those points together for which a function may have a way of its own.

    These are the ones that share their second argument, which is given as a number; of those where nothing comes near
    over- or underflow every other one of a ratio of at most 1, and all others; and the rest.
    """
    values: Floats = np.empty_like(arguments[0])
    for kind, *some in _kinds(*arguments):
        found = np.asarray(function(*some))
        if found.dtype != values.dtype:
            raise TypeError(f"{values.dtype} becomes {found.dtype}")
        values[kind] = found
    return values


def _kinds(first: Floats, second: Floats | None = None) -> Iterator[tuple[Any, ...]]:
    """Which points belong together, and the arguments there."""
    every_other = np.arange(first.size) % 2 == 0
    if second is None:
        central = every_other & (np.abs(first) <= 1)
        for kind in (central, ~central):
            yield kind, first[kind]
        return
    rest = np.ones(first.size, bool)
    shared, counts = np.unique(second, return_counts=True)
    for number in shared[counts > second.size // 20]:
        kind = second == number
        rest &= ~kind
        yield kind, first[kind], number
    with np.errstate(over="ignore", under="ignore"):
        near = (np.abs(np.frexp(second)[1]) < MODERATE) & (np.abs(first / second) < 2.0**9)
        central = every_other & near & (np.abs(first / second) <= 1)
    for kind in (rest & central, rest & near & ~central, rest & ~near):
        yield kind, first[kind], second[kind]


# --- balls -----------------------------------------------------------------------------------------------


def enclosed(reference: Callable[..., arb], point: list[float]) -> arb:
    """The value at a point to 25 digits, or a ball around zero far below the smallest double."""
    for precision in (160, 320, 1000, 3000, 9000):
        ctx.prec = precision
        ball = reference(*point)
        if ball.rel_accuracy_bits() > 83 or abs(ball) < _NOTHING:
            return ball
    raise ArithmeticError(f"no narrow enclosure at {point}")


_NOTHING = arb(2) ** -1200


def ulps(value: float, ball: arb, dtype: Any) -> float:
    """Distance of a float from a ball, in spacings of floats of the type at the ball."""
    digits, low, high = (53, -1074, 1024) if dtype == np.float64 else (24, -149, 128)
    if isinf(value) and abs(ball) < arb(2) ** (high + 1):
        value_ball = arb(2) ** high * (1 if value > 0 else -1)
        if abs(ball) >= arb(2) ** high:
            return 0.0
    elif isinf(value):
        return 0.0 if (ball > 0) == (value > 0) else float("inf")
    else:
        value_ball = arb(value)
    middle = float(ball.mid()) if abs(ball) < arb(2) ** 1023 else ldexp(1.0, 1023)
    spacing = max(frexp(middle)[1] - digits, low) if middle else low
    return float((abs(value_ball - ball) * arb(2) ** -spacing).mid())


class _ExactNumbers(PythonCodePrinter):
    def _print_Rational(self, expr: sp.Rational) -> str:
        return f"rational({expr.p}, {expr.q})"

    def _print_Pi(self, expr: sp.Expr) -> str:
        return "pi()"


def _printer() -> PythonCodePrinter:
    return _ExactNumbers({"fully_qualified_modules": False, "allow_unknown_functions": True})


def _Phi(x: arb) -> arb:
    return (-x / arb(2).sqrt()).erfc() / 2


def _phi(x: arb) -> arb:
    return (-x * x / 2).exp() / (2 * arb.pi()).sqrt()


def _mills(x: arb) -> arb:
    """Phi/phi, for x far below zero through Tricomi's U, since Phi and phi themselves cannot be held there."""
    if x > -30:
        return _Phi(x) / _phi(x)
    return (x * x / 2).hypgeom_u(fmpq(1, 2), fmpq(1, 2)) / arb(2).sqrt()


mills = sp.Function("mills")

_NAMES: dict[str, Any] = {
    "rational": lambda p, q: arb(fmpq(p, q)),
    "pi": arb.pi,
    "sqrt": lambda x: arb(x).sqrt(),
    "exp": lambda x: arb(x).exp(),
    "Phi": _Phi,
    "phi": _phi,
    "mills": _mills,
}


def in_balls(expr: sp.Expr, *symbols: sp.Symbol) -> Callable[..., arb]:
    """An expression as a function of floats, which are taken as exact."""
    function = sp.lambdify(symbols, expr, modules=[_NAMES], printer=_printer(), cse=True)
    return lambda *values: arb(function(*map(arb, values)))


def _in_fractions(expr: sp.Expr, *symbols: sp.Symbol) -> Callable[..., arb]:
    """A rational expression with rounding, exactly."""
    function = sp.lambdify(
        symbols, expr, modules=[{"Round": round, "rational": Fraction}], printer=_printer()
    )

    def evaluate(*values: float) -> arb:
        exact = Fraction(function(*map(Fraction, values)))
        return arb(fmpq(exact.numerator, exact.denominator))

    return evaluate


# --- grids -----------------------------------------------------------------------------------------------


def magnitudes(points: int, dtype: Any) -> Floats:
    """Positive numbers: half of them spread over the whole range of the type, half over what matters most."""
    least, most = (-323, 308) if dtype == np.float64 else (-45, 38)
    wide, narrow = (
        _distinct(ends, count, dtype)
        for ends, count in (((least, most), points - points // 2), ((-3, 2), points // 2))
    )
    return np.concatenate([wide, narrow])


def _distinct(ends: tuple[float, float], points: int, dtype: Any) -> Floats:
    """So many numbers of a type between powers of ten, their logarithms equally far apart where the type allows it."""
    tried, found = points, np.logspace(*ends, points)
    while np.unique(_as(dtype, found)).size < points:  # subnormal numbers are few
        tried += tried // 8 + 1
        found = np.logspace(*ends, tried)
    distinct: Floats = np.unique(_as(dtype, found)).astype(np.float64)
    return distinct[np.linspace(0, distinct.size - 1, points).astype(int)]


def shifts(points: int, dtype: Any) -> tuple[Floats]:
    """Shift ratios of both signs, and the seams between pieces."""
    size = magnitudes(points // 2, dtype)
    seams = (np.arange(-70 * PER_UNIT, 10 * PER_UNIT) + 0.5) / PER_UNIT
    seams = np.concatenate([seams, np.nextafter(seams, -np.inf), [0.0]])
    return (_as(dtype, np.concatenate([-size, size, seams[:: max(1, 30 * len(seams) // (points + 1))]])),)


def normals(points: int, dtype: Any) -> tuple[Floats, Floats]:
    """Mean and standard deviation, distinct pairs; the latter 1, 0.7, near 1, or anywhere in the range."""
    tried = points
    while True:
        pairs = np.array(_normals(tried, dtype))
        _, first = np.unique(pairs, axis=1, return_index=True)
        if first.size >= points:
            mu, sigma = pairs[:, np.sort(first)]
            return mu, sigma
        tried += tried // 4 + 1  # many leave the range


def _normals(points: int, dtype: Any) -> tuple[Floats, Floats]:
    (a,) = shifts(points, np.float64)
    rng = np.random.default_rng(0)
    least, most = (-323, 308) if dtype == np.float64 else (-45, 38)
    sigma = np.choose(
        np.arange(a.size) % 4,
        [
            np.ones(a.size),
            np.full(a.size, 0.7),
            10 ** rng.uniform(-3, 3, a.size),
            10 ** rng.uniform(least, most, a.size),
        ],
    )
    with np.errstate(over="ignore", under="ignore"):
        return _as(dtype, a * sigma), np.maximum(_as(dtype, sigma), np.finfo(dtype).smallest_subnormal)


def thresholds(points: int, dtype: Any) -> tuple[Floats, Floats]:
    """Threshold and standard deviation."""
    mu, sigma = normals(2 * points, dtype)
    return mu[mu >= 0], sigma[mu >= 0]


def thresholds_of_uniform(points: int, dtype: Any) -> tuple[Floats, Floats]:
    """Threshold and standard deviation, where some weights survive; many thresholds next to the end of the support."""
    delta, sigma = thresholds(2 * points, dtype)
    rng = np.random.default_rng(1)
    near = np.sqrt(np.longdouble(3)) * sigma * (1 - np.longdouble(10) ** -rng.uniform(0, 18, sigma.size))
    delta = np.where(np.arange(sigma.size) % 2 == 1, near.astype(dtype), delta)
    inside = some_survive(delta, sigma)
    return delta[inside], sigma[inside]


def some_survive(delta: Floats, sigma: Floats) -> NDArray[np.bool_]:
    """Whether some uniform weights are larger than the threshold."""
    return np.asarray(delta.astype(np.longdouble) < np.sqrt(np.longdouble(3)) * sigma)


def standard_deviations(points: int, dtype: Any) -> tuple[Floats]:
    """Positive numbers over the whole range."""
    return (_as(dtype, magnitudes(points, dtype)),)


def ratios_up_to_2(points: int, dtype: Any) -> tuple[Floats]:
    """Ratios of threshold to mean size at which uniform weights survive."""
    (t,) = standard_deviations(2 * points, dtype)
    return (t[at_most_2(t)],)


def at_most_2(t: Floats) -> NDArray[np.bool_]:
    """Whether some uniform weights survive at a ratio."""
    return np.asarray(t <= 2)


def activations(points: int, dtype: Any) -> tuple[Floats, Floats]:
    """Pre-activation and clipping level; many next to where rounding changes."""
    (alpha,) = standard_deviations(points, dtype)
    rng = np.random.default_rng(2)
    rng.shuffle(alpha)
    anywhere = rng.uniform(-0.2, 1.2, points)
    small = 10.0 ** -rng.uniform(0, 30, points)
    half_way = (rng.integers(0, 15, points) + 0.5) / 15
    with np.errstate(under="ignore", over="ignore"):
        x = _as(dtype, np.choose(np.arange(points) % 3, [anywhere, small, half_way]) * alpha)
    return x, alpha


def clips(points: int, dtype: Any) -> tuple[Floats, Floats]:
    """Standard deviation and largest level, of comparable size; the latter 1, 3.7, or anywhere in the range."""
    (sigma,) = standard_deviations(points, dtype)
    rng = np.random.default_rng(3)
    ratio, kind = 10 ** rng.uniform(-2, 2, points), np.arange(points) % 4
    limits = np.finfo(dtype)
    with np.errstate(under="ignore", over="ignore"):
        clip = _as(
            dtype, np.choose(kind, [np.ones(points), np.full(points, 3.7), sigma * ratio, sigma * ratio])
        )
    sigma = np.where(kind < 2, _as(dtype, clip / ratio), sigma)
    return sigma, np.clip(clip, limits.smallest_subnormal, limits.max)


def _as(dtype: Any, values: Floats) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        values = values.astype(dtype)
    return np.clip(values, np.finfo(dtype).min, np.finfo(dtype).max)


# --- the functions ---------------------------------------------------------------------------------------

mu, a = sp.symbols("mu a", real=True)
sigma, delta, clip, alpha = sp.symbols("sigma delta clip alpha", positive=True)
t, x = sp.symbols("t x", real=True)


def closed_form(name: str) -> sp.Expr:
    """The closed form of the catalogue in the letters of this module."""
    expr = catalog()[name].closed_form
    here = {
        "beta": mu,
        "gamma": sigma,
        "sigma": sigma,
        "delta": delta,
        "a": a,
        "t": t,
        "x": x,
        "alpha": alpha,
    }
    expr = expr.subs(K, 2 / sigma**2)
    return expr.subs({s: here[s.name] for s in expr.free_symbols if s.name in here})


def _without_underflow(expr: sp.Expr) -> sp.Expr:
    """A quotient of terms with Phi and phi, divided through by phi."""
    return sp.cancel(expr.replace(Phi, lambda v: mills(v) * phi(v)))


@cache
def subjects() -> tuple[Subject, ...]:
    """All functions."""
    return (*_relu(), *_ternary(), *_quantised(), *_pact())


def _moment(name: str) -> sp.Expr:
    """A moment of ReLU(y) for y of mean mu and standard deviation sigma."""
    scale, formula = {
        "gate_probability": (1, "gate_probability"),
        "mean": (1, "mean_after_batchnorm"),
        "second_moment": (sigma**2, "c2"),
        "variance": (sigma**2, "c2_variance"),
    }[name]
    return scale * closed_form(f"relu.{formula}")


def _relu() -> Iterator[Subject]:
    moments = ("gate_probability", "mean", "second_moment", "variance")
    for name in moments:
        public = getattr(relu, name)
        yield Subject(f"relu.{name}", public, public, partial(_balls_of_moment, name), normals)
    for name, index in product(moments, (0, 1)):
        public, variable = getattr(relu, f"{name}_gradient"), (mu, sigma)[index]
        yield Subject(
            f"relu.{name}_gradient in {variable}",
            public,
            lambda m, s, public=public, index=index: public(m, s)[index],
            partial(_balls_of_moment, name, variable),
            normals,
        )
    for name in ("c1", "c2", "c2_variance"):
        public = getattr(relu, name)
        reference = partial(_balls_of, f"relu.{name}", mu, sigma)
        yield Subject(f"relu.{name}", public, lambda m, s, public=public: public(-s, m), reference, normals)
    for name in ("ratio", "ratio_variance"):
        public = getattr(relu, name)
        yield Subject(f"relu.{name}", public, public, partial(_balls_of, f"relu.{name}", a), shifts)


def _balls_of_moment(name: str, *variables: sp.Symbol) -> Callable[..., arb]:
    return in_balls(sp.diff(_moment(name), *variables) if variables else _moment(name), mu, sigma)


def _balls_of(name: str, *symbols: sp.Symbol) -> Callable[..., arb]:
    expr = closed_form(name)
    if name.endswith(("ratio", "ratio_variance", "gaussian.optimal_scale")):
        expr = _without_underflow(expr)
    return in_balls(expr, *symbols)


LAWS = ("uniform", "gaussian", "laplace")


def _ternary() -> Iterator[Subject]:
    of_threshold = (delta, sigma), thresholds, (thresholds_of_uniform, some_survive)
    of_ratio = (t,), standard_deviations, (ratios_up_to_2, at_most_2)
    of_sigma = (sigma,), standard_deviations, (standard_deviations,)
    functions: dict[str, tuple[tuple[sp.Symbol, ...], Grid, tuple[Grid] | tuple[Grid, Inside]]] = {
        "p_plus": of_threshold,
        "p_zero": of_threshold,
        "variance": of_threshold,
        "optimal_scale": of_threshold,
        "variance_at_ratio": of_ratio,
        "mean_abs": of_sigma,
        "binary_error": of_sigma,
    }
    for law, (name, (symbols, grid, of_uniform)) in product(LAWS, functions.items()):
        public = getattr(ternary, name)
        yield Subject(
            f"ternary.{name}, {law}",
            public,
            partial(public, distribution=law),
            partial(_balls_of, f"ternary.{law}.{name}", *symbols),
            *(of_uniform if law == "uniform" else (grid,)),
        )


def _quantised() -> Iterator[Subject]:
    public = uniform_levels.variance
    for law, bits in product(LAWS, (1, 2, 4)):
        yield Subject(
            f"uniform_levels.variance, {law}, {bits} bits",
            public,
            partial(public, bits=bits, distribution=law),
            partial(mean_square_of_levels, bits, law),
            clips,
        )


def mean_square_of_levels(bits: int, law: str) -> Callable[..., arb]:
    """The definition: each level squared, times the probability of the weights that are nearest to it."""
    above = in_balls(closed_form(f"ternary.{law}.p_plus"), delta, sigma)
    steps = 2**bits - 1

    def evaluate(sigma: float, clip: float) -> arb:
        def survives(cut: arb) -> arb:
            if law == "uniform" and cut > arb(3).sqrt() * arb(sigma):
                return arb(0)
            return above(cut, sigma)

        total = arb(0)
        for k in range(steps // 2 + 1):
            level = arb(clip) * fmpq(2 * k + 1, steps)
            here = survives(arb(clip) * fmpq(2 * k, steps)) if k else arb(fmpq(1, 2))
            following = survives(arb(clip) * fmpq(2 * k + 2, steps)) if k < steps // 2 else arb(0)
            total += 2 * level**2 * (here - following)
        return total

    return evaluate


def _pact() -> Iterator[Subject]:
    for name, bits in product(("quantised", "grad_alpha"), (1, 4, 8, 32)):
        public = getattr(pact, name)
        reference = partial(_fractions_of, f"pact.{name}", bits)
        yield Subject(f"pact.{name}, {bits} bits", public, partial(public, bits=bits), reference, activations)
    for name in ("grad_input", "grad_alpha_original"):
        public = getattr(pact, name)
        yield Subject(f"pact.{name}", public, public, partial(_fractions_of, f"pact.{name}", 1), activations)


def _fractions_of(name: str, bits: int) -> Callable[..., arb]:
    return _in_fractions(closed_form(name).subs(b, bits), x, alpha)
