"""Which experiment tests which formula, and at which point.

An experiment names the formulas that it tests and the points at which it does; the closed forms are evaluated
elsewhere, after the estimates are in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from numeric.experiments import batchnorm, pact, relu, ternary
from numeric.monte_carlo import Array, Estimate

ROUNDING = 1e-12
"""Relative error that a complex step in extended precision, reported in float64, is trusted to."""

QUADRATURE = 1e-10
"""Relative error that minima and finite differences of quadratures are trusted to."""

Values = Mapping[str, object]


@dataclass(frozen=True)
class Measurement:
    """What an experiment measured for one formula at one point.

    Attributes
    ----------
    formula
        The name of the formula.
    point
        The values of its symbols.
    estimate
        A Monte Carlo estimate, or the value of a derivative taken by complex steps.
    tolerance
        Relative error that a value which is no Monte Carlo estimate is trusted to.
    scale
        The size of the terms that the value is a sum of: the error is relative to this plus the value.
    """

    formula: str
    point: Values
    estimate: Estimate | float
    tolerance: float = ROUNDING
    scale: float = 1.0


@dataclass(frozen=True)
class Experiment:
    """One run of a simulation, which may test several formulas.

    Attributes
    ----------
    formulas
        The names of the formulas it tests.
    run
        Called with ``seed`` and ``stream``.
    """

    formulas: tuple[str, ...]
    run: Callable[[int, int], list[Measurement]]


# --- ReLU after BatchNorm ---------------------------------------------------------------------------------

_IN_A = ("moment0", "mean", "second_moment", "variance", "ratio", "ratio_variance")
_IN_GAMMA_AND_BETA = ("gate_probability", "mean_after_batchnorm", "c1", "c2", "c2_variance")
_RECURRENCE = "relu.moment_recurrence"


def _relu(gamma: float, beta: float, draws: int, special: Mapping[str, str] | None = None) -> Experiment:
    """One simulation for all formulas in a, or in gamma and beta, and for special values of a."""
    special = {} if special is None else special

    def run(seed: int, stream: int) -> list[Measurement]:
        estimates = relu.estimates(relu.moments(gamma, beta, draws, seed=seed, stream=stream), gamma)
        a = beta / abs(gamma)
        point = {"gamma": gamma, "beta": beta}
        return [
            *[Measurement(f"relu.{name}", {"a": a}, estimates[name]) for name in _IN_A],
            *[Measurement(f"relu.{name}", point, estimates[name]) for name in _IN_GAMMA_AND_BETA],
            *[Measurement(f"relu.{name}", {}, estimates[quantity]) for name, quantity in special.items()],
            Measurement(_RECURRENCE, {"a": a, "k": 1}, estimates["second_moment"]),
        ]

    names = (*_IN_A, *_IN_GAMMA_AND_BETA, *special)
    return Experiment((*(f"relu.{name}" for name in names), _RECURRENCE), run)


def _relu_by_quadrature(gamma: float, beta: float) -> Experiment:
    """Where the gate is almost always closed or open, and the third moment."""

    def run(seed: int, stream: int) -> list[Measurement]:
        values = relu.by_quadrature(gamma, beta)
        in_a, in_both = {"a": beta / abs(gamma)}, {"gamma": gamma, "beta": beta}

        def measurement(formula: str, point: Values, quantity: str) -> Measurement:
            return Measurement(formula, point, values[quantity], scale=0.0)

        return [
            *[measurement(f"relu.{name}", in_a, name) for name in _IN_A],
            *[measurement(f"relu.{name}", in_both, name) for name in _IN_GAMMA_AND_BETA],
            measurement(_RECURRENCE, {**in_a, "k": 2}, "third_moment"),
        ]

    return Experiment((*(f"relu.{name}" for name in (*_IN_A, *_IN_GAMMA_AND_BETA)), _RECURRENCE), run)


def _relu_of_a_constant(beta: float) -> Experiment:
    """gamma = 0: what the ReLU makes of a batch that is constant."""
    names = ("relu.mean_at_zero_scale", "relu.gate_at_zero_scale")

    def run(seed: int, stream: int) -> list[Measurement]:
        z = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,))).standard_normal(64)
        y = 0.0 * z + beta
        values = (float(np.maximum(y, 0.0).mean()), float((y > 0.0).mean()))
        return [Measurement(name, {"beta": beta}, value) for name, value in zip(names, values, strict=True)]

    return Experiment(names, run)


# --- BatchNorm ------------------------------------------------------------------------------------------


def _batchnorm(m: int, eps: float) -> Experiment:
    """Derivatives of one random batch, and what they add up to."""

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        x, g = rng.standard_normal(m), rng.standard_normal(m)
        gamma, beta = (float(v) for v in rng.standard_normal(2))
        measured = batchnorm.gradients(x, g, gamma, beta, eps)
        jacobian = batchnorm.jacobian(x, gamma, beta, eps)
        together = batchnorm.across_batch(x, g, gamma, eps)
        d_mean, d_variance = batchnorm.statistics_gradients(x)
        xhat = (x - x.mean()) / np.sqrt(x.var() + eps)
        complement = _orthogonal_to(np.stack([np.ones(m), xhat], axis=1), g)
        batch: dict[str, object] = {"x": tuple(map(float, x)), "g": tuple(map(float, g)), "m": m}
        point = {**batch, "gamma": gamma, "beta": beta, "eps": eps}
        whole = {
            **{name: measured[name] for name in ("grad_gamma", "grad_beta", "grad_mean", "grad_variance")},
            **{f"grad_input_{name}": value for name, value in together.items()},
            "jacobian_trace": np.trace(jacobian),
            "grad_gain": (jacobian**2).sum() / m,
            "xhat_norm": xhat @ xhat,
        }
        per_sample = {
            "grad_input": measured["grad_input"],
            "grad_xhat": measured["grad_xhat"],
            "mean_derivative": d_mean,
            "variance_derivative": d_variance,
            "jacobian_on_ones": jacobian @ np.ones(m),
            "jacobian_on_xhat": jacobian @ xhat,
            "jacobian_on_complement": jacobian @ complement,
        }
        per_pair = {"jacobian": jacobian, "jacobian_squared": jacobian @ jacobian}
        if eps == 0:
            projection = jacobian * (x.std() / gamma)
            per_pair |= {"projection": projection, "projection_squared": projection @ projection}
            whole["projection_rank"] = np.trace(projection)
        point["xhat"] = tuple(map(float, xhat))
        return [
            *[Measurement(f"batchnorm.{name}", point, float(value)) for name, value in whole.items()],
            *[
                Measurement(f"batchnorm.{name}", {**point, "i": i}, float(values[i - 1]))
                for name, values in per_sample.items()
                for i in (1, m)
            ],
            *[
                Measurement(f"batchnorm.{name}", {**point, "i": i, "j": j}, float(matrix[i - 1, j - 1]))
                for name, matrix in per_pair.items()
                for i, j in ((2, m), (1, 1))
            ],
        ]

    tested = {measurement.formula for measurement in run(0, 0)}
    return Experiment(tuple(sorted(tested)), run)


def _orthogonal_to(columns: Array, vector: Array) -> Array:
    """What is left of the vector by least squares."""
    return np.asarray(vector - columns @ np.linalg.lstsq(columns, vector)[0])


def _inference() -> Experiment:
    """The forward pass with running statistics in place of those of the batch."""
    name = "batchnorm.inference"

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        out = []
        for _ in range(3):
            x, mu, gamma, beta = (float(v) for v in rng.standard_normal(4))
            v, eps = (float(v) for v in rng.uniform(0.1, 2.0, 2))
            mean, variance = np.clongdouble(mu), np.clongdouble(v)
            y = batchnorm.forward(np.array([x], dtype=np.clongdouble), gamma, beta, eps, mean, variance)
            point = {"x": x, "mu": mu, "v": v, "gamma": gamma, "beta": beta, "eps": eps}
            out.append(Measurement(name, point, float(y[0].real)))
        return out

    return Experiment((name,), run)


def _running_variance(m: int, sigma: float, draws: int) -> Experiment:
    def run(seed: int, stream: int) -> list[Measurement]:
        estimate = batchnorm.running_variance(m, 0.3, sigma, draws, seed=seed, stream=stream)
        return [Measurement("batchnorm.running_variance", {"sigma": sigma}, estimate)]

    return Experiment(("batchnorm.running_variance",), run)


# --- ternary weights ------------------------------------------------------------------------------------


def _ternary(distribution: str, sigma: float, millions: int) -> Experiment:
    """Everything at the threshold 0.7 E|w|."""
    delta = 0.7 * ternary.mean_abs(distribution, sigma)  # by quadrature of the density
    scale = _scale_symbol(distribution, sigma)
    quantities: dict[str, tuple[str, Values]] = {
        **{name: (name, {"delta": delta}) for name in ("p_plus", "p_zero", "variance")},
        **{f"{name}_at_ratio": (name, {"t": 0.7}) for name in ("p_zero", "variance")},
        **{f"{name}_at_0_7": (name, {}) for name in ("p_zero", "variance")},
        "mean_abs": ("mean_abs", {}),
    }

    def run(seed: int, stream: int) -> list[Measurement]:
        found = ternary.estimates(distribution, sigma, delta, millions * 10**6, seed=seed, stream=stream)
        return [
            Measurement(f"ternary.{distribution}.{name}", {**scale, **point}, found[quantity])
            for name, (quantity, point) in quantities.items()
        ]

    return Experiment(tuple(f"ternary.{distribution}.{name}" for name in quantities), run)


def _ternary_error(distribution: str, sigma: float, delta: float, s: float, millions: int) -> Experiment:
    scale = _scale_symbol(distribution, sigma)
    name = f"ternary.{distribution}.error"

    def run(seed: int, stream: int) -> list[Measurement]:
        found = ternary.error(distribution, sigma, delta, s, millions * 10**6, seed=seed, stream=stream)
        return [Measurement(name, {**scale, "delta": delta, "s": s}, found)]

    return Experiment((name,), run)


def _binary(distribution: str, sigma: float, millions: int) -> Experiment:
    """Sign weights: their variance, and their error at the scale where it is least."""
    scale = _scale_symbol(distribution, sigma)
    prefix = f"ternary.{distribution}.binary"

    def run(seed: int, stream: int) -> list[Measurement]:
        _, spread = ternary.sign_moments(distribution, sigma, 10**5, seed=seed, stream=stream)
        s = ternary.best_scale(distribution, sigma, 0.0)
        found = ternary.error(distribution, sigma, 0.0, s, millions * 10**6, seed=seed, stream=stream)
        return [
            Measurement(f"{prefix}_variance", scale, spread),
            Measurement(f"{prefix}_scale", scale, s, tolerance=QUADRATURE),
            Measurement(f"{prefix}_error", scale, found),
        ]

    return Experiment(tuple(f"{prefix}_{name}" for name in ("variance", "scale", "error")), run)


def _scale_symbol(distribution: str, sigma: float) -> Values:
    return {"K": 2 / sigma**2} if distribution == "uniform" else {"sigma": sigma}


def _optimum(distribution: str, sigma: float) -> Experiment:
    """The least error, by minimising the integral of the error numerically."""
    scale = _scale_symbol(distribution, sigma)
    prefix = f"ternary.{distribution}"
    quantities = ("optimal_threshold", "minimal_error", "threshold_condition", "optimal_scale")
    names = tuple(f"{prefix}.{name}" for name in quantities)
    thresholds = (0.3 * sigma, 1.1 * sigma)

    def run(seed: int, stream: int) -> list[Measurement]:
        found = ternary.minimise_error(distribution, sigma)
        threshold, error, condition, best_scale = names
        return [
            Measurement(threshold, scale, found.delta, tolerance=QUADRATURE),
            Measurement(error, scale, found.error, tolerance=QUADRATURE),
            *[
                Measurement(
                    best_scale,
                    {**scale, "delta": delta},
                    ternary.best_scale(distribution, sigma, delta),
                    tolerance=QUADRATURE,
                )
                for delta in thresholds
            ],
            *[
                Measurement(
                    condition,
                    {**scale, "delta": delta},
                    ternary.slope_of_least_error(distribution, sigma, delta),
                    tolerance=QUADRATURE,
                )
                for delta in thresholds
            ],
        ]

    return Experiment(names, run)


# --- PACT -----------------------------------------------------------------------------------------------


def _pact(bits: int) -> Experiment:
    """Straight-through derivatives on every piece, and close to both sides of places where rounding jumps."""
    names = ("clip", "quantised", "grad_alpha", "grad_input", "grad_alpha_original", "gradient_difference")

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        out = []
        steps = 2**bits - 1
        shares = [share + 0.01 * rng.uniform() for share in (-0.4, 0.1, 0.37, 0.62, 0.93, 1.7)]
        shares += [(k + 0.5 + d) / steps for k in {0, steps // 2, steps - 1} for d in (-1e-6, 1e-6)]
        for share in shares:
            alpha = float(rng.uniform(0.5, 3.0))
            x = float(alpha * share)
            calibrated, original = pact.grad_alpha(x, alpha, bits), pact.grad_alpha_original(x, alpha)
            here = np.clongdouble(x), np.clongdouble(alpha)
            values = (
                float(pact.clip(*here).real),
                float(pact.forward(*here, bits).real),
                calibrated,
                pact.grad_input(x, alpha, bits),
                original,
                calibrated - original,
            )
            point = {"x": x, "alpha": alpha, "b": bits}
            out += [
                Measurement(f"pact.{name}", point, value) for name, value in zip(names, values, strict=True)
            ]
        largest = pact.largest_difference(1.0, bits)
        return [*out, Measurement("pact.difference_bound", {"b": bits}, largest)]

    return Experiment((*(f"pact.{name}" for name in names), "pact.difference_bound"), run)


def _pact_kinks(bits: int) -> Experiment:
    """Straight-through derivatives on both sides of x = 0 and of x = alpha."""
    kinks = [
        (kind, place, word)
        for kind in ("grad_alpha", "grad_input")
        for place in ("zero", "alpha")
        for word in ("plus", "minus")
    ]

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        alpha = float(rng.uniform(0.5, 3.0))
        point = {"alpha": alpha, "b": bits}
        out = []
        for kind, place, word in kinks:
            # a larger alpha leaves x = alpha on the left piece, a larger x leaves it on the right one
            right = (word == "plus") == (kind == "grad_input")
            gradient = pact.grad_alpha if kind == "grad_alpha" else pact.grad_input
            value = gradient(0.0 if place == "zero" else alpha, alpha, bits, 1 if right else -1)
            out.append(Measurement(f"pact.{kind}_at_{place}_{word}", point, value))
        return out

    return Experiment(tuple(f"pact.{kind}_at_{place}_{word}" for kind, place, word in kinks), run)


# --- all ------------------------------------------------------------------------------------------------


def _ratios_at(a: str) -> Mapping[str, str]:
    return {f"ratio_at_{a}": "ratio", f"ratio_variance_at_{a}": "ratio_variance"}


def experiments() -> tuple[Experiment, ...]:
    """All experiments, in the order of their streams."""
    millions = 10**6
    return (
        _relu(1.25, 0.0, 400 * millions, _ratios_at("0")),
        _relu(-0.8, 0.4, 300 * millions),
        _relu(0.8, 0.8, 180 * millions, _ratios_at("1")),
        *(_relu_by_quadrature(*point) for point in ((-0.7, -2.1), (1.3, -7.8), (-0.5, 4.0))),
        *(_relu_of_a_constant(beta) for beta in (0.7, 0.0, -1.3)),
        _batchnorm(5, 0.0),
        _batchnorm(32, 1e-5),
        _batchnorm(8, 0.5),
        _inference(),
        _running_variance(8, 1.1, 28 * millions),
        _ternary("uniform", 0.6, 180),
        _ternary("gaussian", 1.3, 220),
        _ternary("laplace", 0.9, 260),
        _ternary_error("uniform", 0.6, 0.4, 0.5, 110),
        _ternary_error("gaussian", 1.3, 0.7, 1.1, 80),
        _ternary_error("laplace", 0.9, 0.5, 0.8, 80),
        _binary("uniform", 0.6, 110),
        _binary("gaussian", 1.3, 80),
        _binary("laplace", 0.9, 80),
        *(_optimum(law, sigma) for law, sigma in (("uniform", 0.6), ("gaussian", 1.3), ("laplace", 0.9))),
        *(_pact(bits) for bits in (1, 2, 4, 8)),
        *(_pact_kinks(bits) for bits in (1, 4)),
    )
