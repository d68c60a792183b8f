"""BatchNorm: which derivative of a random batch tests which formula."""

from __future__ import annotations

from typing import Any

import numpy as np

from numeric.arrays import Doubles
from numeric.experiments import batchnorm
from numeric.sampling.estimates import Moments
from paper_checks.experiments.measurement import (
    AnyExperiment,
    Experiment,
    Measurement,
    Sampled,
    generator_of_points,
)

_FEW = 8
"""Samples of a batch for which closed forms are evaluated so soon that more of their entries can be looked at."""


def _batchnorm(m: int, eps: float) -> Experiment:
    """Derivatives of one random batch, and what they add up to."""

    samples, entries = [1, m // 2, m], [(2, m), (m, m // 2), (1, 1), (m - 1, m - 1)]
    if m > _FEW:
        samples, entries = samples[1:2], entries[1:3]

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        x, g = rng.standard_normal(m), rng.standard_normal(m)
        gamma, beta = (float(v) for v in rng.standard_normal(2))
        v = rng.standard_normal(m)
        measured = batchnorm.gradients(x, g, gamma, beta, eps)
        second = batchnorm.second_gradients(x, g, v, gamma, beta, eps)
        jacobian = batchnorm.jacobian(x, gamma, beta, eps)
        together = batchnorm.across_batch(x, g, gamma, eps)
        d_mean, d_variance = batchnorm.statistics_gradients(x)
        xhat = (x - x.mean()) / np.sqrt(x.var() + eps)
        complement = _orthogonal_to(np.stack([np.ones(m), xhat], axis=1), g)
        batch: dict[str, object] = {name: tuple(map(float, a)) for name, a in (("x", x), ("g", g), ("v", v))}
        point = {**batch, "m": m, "gamma": gamma, "beta": beta, "eps": eps}
        whole = {
            **{name: measured[name] for name in ("grad_gamma", "grad_beta", "grad_mean", "grad_variance")},
            **{name: second[name] for name in ("grad_input_dot_v", "double_grad_gamma")},
            **{f"grad_input_{name}": value for name, value in together.items()},
            "jacobian_trace": np.trace(jacobian),
            "grad_gain": (jacobian**2).sum() / m,
            "xhat_norm": xhat @ xhat,
        }
        per_sample = {
            "grad_input": measured["grad_input"],
            "grad_xhat": measured["grad_xhat"],
            "double_grad_g": second["double_grad_g"],
            "double_grad_input": second["double_grad_input"],
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

        def measurement(name: str, value: Any, **indices: int) -> Measurement:
            return Measurement(f"batchnorm.{name}", {**point, **indices}, float(value), at_random=True)

        return [
            *[measurement(name, value) for name, value in whole.items()],
            *[measurement(name, values[i - 1], i=i) for name, values in per_sample.items() for i in samples],
            *[
                measurement(name, matrix[i - 1, j - 1], i=i, j=j)
                for name, matrix in per_pair.items()
                for i, j in entries
            ],
        ]

    tested = {measurement.formula for measurement in run(0, 0)}
    return Experiment(tuple(sorted(tested)), run)


def _orthogonal_to(columns: Doubles, vector: Doubles) -> Doubles:
    """What is left of the vector by least squares."""
    return np.asarray(vector - columns @ np.linalg.lstsq(columns, vector)[0])


def _inference() -> Experiment:
    """The forward pass with running statistics in place of those of the batch."""
    name = "batchnorm.inference"

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        out = []
        for _ in range(8):
            x, mu, gamma, beta = (float(v) for v in rng.standard_normal(4))
            v, eps = (float(v) for v in rng.uniform(0.1, 2.0, 2))
            mean, variance = np.clongdouble(mu), np.clongdouble(v)
            y = batchnorm.forward(np.array([x], dtype=np.clongdouble), gamma, beta, eps, mean, variance)
            point = {"x": x, "mu": mu, "v": v, "gamma": gamma, "beta": beta, "eps": eps}
            out.append(Measurement(name, point, float(y[0].real), at_random=True))
        return out

    return Experiment((name,), run)


def _running_variance(m: int, sigma: float) -> Sampled:
    name = "batchnorm.running_variance"

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        return [Measurement(name, {"sigma": sigma}, moments.of(lambda t: float(t[0]), share))]

    return Sampled((name,), batchnorm.BatchDraws(m, 0.3, sigma), measurements)


def _running_variance_by_cubature(m: int) -> Experiment:
    """A rule that is exact for a quadratic statistic of a batch."""
    name = "batchnorm.running_variance"

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        return [
            Measurement(name, {"sigma": sigma}, batchnorm.running_variance(m, mu, sigma), at_random=True)
            for mu, sigma in rng.uniform(0.3, 2.0, (2, 2)).tolist()
        ]

    return Experiment((name,), run)


def _grad_gain(x: tuple[float, ...], gamma: float, eps: float) -> Sampled:
    """The expectation over upstream gradients that the sum over the Jacobian stands for."""
    name = "batchnorm.grad_gain"
    point = {"x": x, "m": len(x), "gamma": gamma, "eps": eps}

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        return [Measurement(name, point, moments.of(lambda t: float(t[0]), share))]

    return Sampled((name,), batchnorm.GradientDraws(x, gamma, eps), measurements)


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    return (
        _batchnorm(5, 0.0),
        _batchnorm(7, 0.0),
        _batchnorm(32, 1e-5),
        _batchnorm(8, 0.5),
        _batchnorm(6, 4.0),  # eps larger than any variance of the batch
        _inference(),
        _running_variance(8, 1.1),
        _grad_gain((0.3, -1.2, 0.7, 2.0, -0.1, 0.9), 1.3, 0.4),
        _running_variance_by_cubature(32),
    )
