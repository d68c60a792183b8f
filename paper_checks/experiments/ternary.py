"""Ternary and binary weights: which draws and which minimisation test which formula, and where."""

from __future__ import annotations

from numeric.experiments import ternary
from paper_checks.experiments.measurement import QUADRATURE, Experiment, Measurement, Values


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


def experiments() -> tuple[Experiment, ...]:
    """Those of this subject; the numbers at the end are millions of draws."""
    return (
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
    )
