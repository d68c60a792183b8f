"""Ternary and binary weights: which draws and which integrals test which formula, and where."""

from __future__ import annotations

from functools import cache

from numeric.experiments import ternary, ternary_error, ternary_threshold, weight_integrals
from numeric.instruments.bounded import Bounded
from numeric.sampling.estimates import Moments
from paper_checks.experiments.measurement import (
    AnyExperiment,
    Experiment,
    Measurement,
    Sampled,
    Values,
    generator_of_points,
)

_minimised = cache(ternary_error.minimise_error)
"""Threshold of least error."""


def _ternary(distribution: str, sigma: float) -> Sampled:
    """The share of ones at a low threshold, where few draws resolve it; everything else at the threshold 0.7 E|w|."""
    low = 0.1 * sigma
    size = weight_integrals.ternary_quantities(distribution, sigma, 0.0)["mean_abs"]
    delta = 0.7 * size.value
    scale = _scale_symbol(distribution, sigma)
    quantities: tuple[dict[str, tuple[str, Values]], ...] = (
        {"p_plus": ("p_plus", {"delta": low})},
        {
            **{name: (name, {"delta": delta}) for name in ("p_zero", "variance")},
            **{f"{name}_at_ratio": (name, {"t": 0.7}) for name in ("p_zero", "variance")},
            **{f"{name}_at_0_7": (name, {}) for name in ("p_zero", "variance")},
            "mean_abs": ("mean_abs", {}),
        },
    )

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = ternary.estimates(moments, share)
        return [
            Measurement(f"ternary.{distribution}.{name}", {**scale, **point}, found[quantity])
            for name, (quantity, point) in quantities[number].items()
        ]

    names = tuple(f"ternary.{distribution}.{name}" for tested in quantities for name in tested)
    draws = ternary.TernaryDraws(distribution, ((sigma, low), (sigma, delta)))
    return Sampled(names, draws, measurements)


def _error(distribution: str, sigma: float, delta: float, s: float) -> Sampled:
    """The mean squared error at a threshold and a scale, of sign weights at their best scale, and at the optimum."""
    scale = _scale_symbol(distribution, sigma)
    optimum = _minimised(distribution, sigma).delta.value
    best, at_optimum = (
        weight_integrals.best_scale(distribution, sigma, threshold).value for threshold in (0.0, optimum)
    )
    prefix = f"ternary.{distribution}"
    tested: tuple[tuple[str, Values], ...] = (
        (f"{prefix}.error", {**scale, "delta": delta, "s": s}),
        (f"{prefix}.binary_error", scale),
        (f"{prefix}.minimal_error", scale),
    )

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        name, point = tested[number]
        return [Measurement(name, point, moments.of(lambda t: float(t[0]), share))]

    places = ((sigma, delta, s), (sigma, 0.0, best), (sigma, optimum, at_optimum))
    draws = ternary.ErrorDraws(distribution, places)
    return Sampled(tuple(name for name, _ in tested), draws, measurements)


def _least_squares(distribution: str, sigma: float, delta: float) -> Sampled:
    """The scale of least error over the weights drawn; sign weights are those with the threshold 0."""
    scale = _scale_symbol(distribution, sigma)
    prefix = f"ternary.{distribution}"
    tested: tuple[tuple[str, Values], ...] = (
        (f"{prefix}.optimal_scale", {**scale, "delta": delta}),
        (f"{prefix}.binary_scale", scale),
    )

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        name, point = tested[number]
        return [Measurement(name, point, ternary.least_squares_scale(moments, share))]

    draws = ternary.ScaleDraws(distribution, ((sigma, delta), (sigma, 0.0)))
    return Sampled(tuple(name for name, _ in tested), draws, measurements)


def _integrals(distribution: str) -> Experiment:
    """Integrals over the density with a bound, where chance has it; sign weights are those with the threshold 0."""
    prefix, shares = f"ternary.{distribution}", ("p_plus", "p_zero", "variance")

    def at_one_place(sigma: float, delta: float, s: float, t: float) -> list[Measurement]:
        scale = _scale_symbol(distribution, sigma)
        at = {**scale, "delta": delta}
        found = weight_integrals.ternary_quantities(distribution, sigma, delta, s)
        at_ratio = weight_integrals.ternary_at_ratio(distribution, sigma, t)
        at_0_7 = weight_integrals.ternary_at_ratio(distribution, sigma, 0.7)
        signs = weight_integrals.ternary_quantities(distribution, sigma, 0.0)
        values: list[tuple[str, Values, Bounded]] = [
            *[(name, at, found[name]) for name in shares],
            *[(f"{name}_at_ratio", {**scale, "t": t}, at_ratio[name]) for name in shares[1:]],
            *[(f"{name}_at_0_7", scale, at_0_7[name]) for name in shares[1:]],
            ("mean_abs", scale, found["mean_abs"]),
            ("error", {**at, "s": s}, found["error"]),
            ("optimal_scale", at, weight_integrals.best_scale(distribution, sigma, delta)),
            ("binary_variance", scale, signs["variance"]),
            ("binary_scale", scale, weight_integrals.best_scale(distribution, sigma, 0.0)),
            ("binary_error", scale, weight_integrals.least_error(distribution, sigma, 0.0)),
        ]
        return [
            Measurement(f"{prefix}.{name}", point, value, at_random=True) for name, point, value in values
        ]

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        out = []
        for sign in (1, -1, 1):  # of the scale, which need not be the best one
            sigma = float(rng.uniform(0.3, 2.0))
            delta, s = sigma * float(rng.uniform(0.1, 1.6)), sign * sigma * float(rng.uniform(0.3, 2.0))
            out += at_one_place(sigma, delta, s, float(rng.uniform(0.1, 1.4)))
        return out

    names = [
        *shares,
        *(f"{name}_{at}" for name in shares[1:] for at in ("at_ratio", "at_0_7")),
        "mean_abs",
        "error",
    ]
    names += ["optimal_scale", *(f"binary_{name}" for name in ("variance", "scale", "error"))]
    return Experiment(tuple(f"{prefix}.{name}" for name in names), run)


def _signs(distribution: str, sigma: float) -> Sampled:
    """Sign weights."""
    name = f"ternary.{distribution}.binary_variance"

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = ternary.variance_of_signs(moments, share)
        return [Measurement(name, _scale_symbol(distribution, sigma), found)]

    return Sampled((name,), ternary.SignDraws(distribution, ((sigma, 0.0),)), measurements)


def _threshold(distribution: str, sigma: float) -> Sampled:
    """The slope of the least error at a low threshold, where few draws resolve it, and where it vanishes."""
    scale = _scale_symbol(distribution, sigma)
    optimum = _minimised(distribution, sigma)
    near = optimum.delta.value
    low = 0.05 * sigma
    names = tuple(f"ternary.{distribution}.{name}" for name in ("threshold_condition", "optimal_threshold"))

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        if number == 0:
            found = ternary_threshold.slope_of_least_error(moments, low, share)
            return [Measurement(names[0], {**scale, "delta": low}, found)]
        found = ternary_threshold.threshold_of_least_error(moments, near, optimum.curvature, share)
        return [Measurement(names[1], scale, found)]

    draws = ternary_threshold.ThresholdDraws(distribution, ((sigma, low), (sigma, near)))
    return Sampled(names, draws, measurements)


def _scale_symbol(distribution: str, sigma: float) -> Values:
    return {"K": 2 / sigma**2} if distribution == "uniform" else {"sigma": sigma}


def _optimum(distribution: str) -> Experiment:
    """The slope of the least error, where it vanishes, and the error there, with a bound; for scales that are drawn."""
    prefix = f"ternary.{distribution}"
    names = tuple(
        f"{prefix}.{name}" for name in ("optimal_threshold", "minimal_error", "threshold_condition")
    )
    threshold, error, condition = names

    def of_one_scale(sigma: float, thresholds: list[float]) -> list[Measurement]:
        scale, found = _scale_symbol(distribution, sigma), _minimised(distribution, sigma)
        slopes = {d: ternary_error.slope_of_least_error(distribution, sigma, d) for d in thresholds}
        return [
            Measurement(threshold, scale, found.delta, at_random=True),
            Measurement(error, scale, found.error, at_random=True),
            *[
                Measurement(condition, {**scale, "delta": d}, slope, at_random=True)
                for d, slope in slopes.items()
            ],
        ]

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        scales = rng.uniform(0.3, 2.0, 2).tolist()
        return [
            m for sigma in scales for m in of_one_scale(sigma, (sigma * rng.uniform(0.2, 1.2, 2)).tolist())
        ]

    return Experiment(names, run)


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    laws = (("uniform", 0.5), ("gaussian", 1.3), ("laplace", 0.9))
    return (
        *(_ternary(law, sigma) for law, sigma in laws),
        *(_error(law, sigma, 0.43 * sigma, -0.8 * sigma) for law, sigma in laws),
        *(_least_squares(law, sigma, sigma / 2) for law, sigma in laws),
        *(_signs(law, sigma) for law, sigma in laws),
        *(_threshold(law, sigma) for law, sigma in laws),
        *(_integrals(law) for law, _ in laws),
        *(_optimum(law) for law, _ in laws),
    )
