"""Statistics of a batch: rules exact for polynomials, refusal of what is none, controls for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from numeric.arrays import Doubles
from numeric.instruments.batches import controlled_mean, polynomial_expectation, symmetric_rule
from numeric.instruments.quadrature import gauss_legendre
from numeric.sampling.engine import sample


def _normal_moment(power: int) -> int:
    return 0 if power % 2 else int(np.prod(np.arange(power - 1, 0, -2))) if power else 1


@pytest.mark.parametrize("m", [2, 4, 7])
@pytest.mark.parametrize("degree", [3, 5])
def test_the_rule_integrates_every_monomial_up_to_its_degree(m: int, degree: int) -> None:
    rule = symmetric_rule(m, degree)
    for powers in np.ndindex(*(degree + 2,) * 2):
        monomial = rule.points[0] ** powers[0] * rule.points[-1] ** powers[1]
        true = _normal_moment(powers[0]) * _normal_moment(powers[1])
        exact = abs(float(rule.weights @ monomial) - true) < 1e-11
        assert exact or sum(powers) > degree
    assert not np.isclose(rule.weights @ rule.points[0] ** (degree + 1), _normal_moment(degree + 1))


@pytest.mark.parametrize(("m", "sigma"), [(2, 1.1), (8, 0.01), (32, 30.0)])
def test_unbiased_variance_of_a_batch(m: int, sigma: float) -> None:
    found = polynomial_expectation(lambda x: x.var(axis=0, ddof=1), m, 2, mu=0.3, sigma=sigma)
    assert not found.refutes(sigma**2)
    assert found.refutes(sigma**2 * (1 + 1e-4))
    assert found.resolution < 1e-10


def test_squared_variance_needs_the_rule_of_degree_five() -> None:
    def squared(x: Doubles) -> Doubles:
        return np.asarray(x.var(axis=0, ddof=1) ** 2)

    assert not polynomial_expectation(squared, 32, 4).refutes(1 + 2 / 31)
    with pytest.raises(ValueError, match="polynomial of degree at most 3"):
        polynomial_expectation(squared, 32, 3)


@pytest.mark.parametrize(
    "statistic",
    [
        lambda x: 1 / np.sqrt(x.var(axis=0) + 1e-5),
        lambda x: np.maximum(x, 0).mean(axis=0),
        lambda x: x.var(axis=0) + 1e-6 * x[0] ** 4,
        lambda x: x.max(axis=0),
        lambda x: np.maximum(x[0] - 4, 0),
        lambda x: np.clip(x, -5, None).mean(axis=0),
        lambda x: x[0] * x[1] + (x[2] > 6),
    ],
)
def test_what_is_no_such_polynomial_is_refused(statistic: Callable[[Doubles], Doubles]) -> None:
    with pytest.raises(ValueError, match="polynomial of degree at most 3"):
        polynomial_expectation(statistic, 32, 3)


@dataclass(frozen=True)
class InverseDeviationDraws:
    """1/sqrt(var + 0.1) of a batch of 16, then the variance and its square."""

    dimension = 16
    points = 1
    source = "normal"
    statistics = 3

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        rng.standard_normal(out=z)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        variance = z.var(axis=0)
        out[:] = 1 / np.sqrt(variance + 0.1), variance, variance**2


def test_controls_sharpen_plain_draws_and_keep_the_mean() -> None:
    exact = [
        polynomial_expectation(lambda x, p=p: x.var(axis=0) ** p, 16, 2 * p)  # type: ignore[misc]
        for p in (1, 2)
    ]
    (moments,) = sample(InverseDeviationDraws(), 200_000, seed=5)
    plain = moments.of(lambda t: float(t[0]))
    sharp = controlled_mean(InverseDeviationDraws(), exact, 200_000, seed=5, stream=1)
    assert sharp.standard_error < plain.standard_error / 4
    assert abs(sharp.value - plain.value) < 6 * plain.standard_error
    wrong = [exact[0] * 1.01, exact[1]]
    assert controlled_mean(InverseDeviationDraws(), wrong, 200_000, seed=5, stream=1).refutes(plain.value, 1)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="degree must be an integer from 0 to 5, got 6"):
        polynomial_expectation(lambda x: x[0], 4, 6)
    with pytest.raises(ValueError, match="m must be an integer of at least 2, got 1"):
        symmetric_rule(1, 5)
    with pytest.raises(ValueError, match="sigma must be positive and finite, got -1"):
        polynomial_expectation(lambda x: x[0], 4, 1, sigma=-1.0)
    with pytest.raises(ValueError, match="exact must have one entry for each control \\(2\\), got 0"):
        controlled_mean(InverseDeviationDraws(), [], 1, seed=0, stream=0)


@pytest.mark.parametrize("mu", [1e19, -1e4, np.nan])
def test_a_mean_so_large_that_the_numbers_lose_their_digits_is_refused(mu: float) -> None:
    assert not polynomial_expectation(lambda x: x.var(axis=0), 8, 2, mu=999.0).refutes(7 / 8)
    with pytest.raises(ValueError, match=r"mu must be at most 1000 sigma in size, got"):
        polynomial_expectation(lambda x: x.var(axis=0), 8, 2, mu=mu)


def test_rules_that_are_kept_cannot_be_changed() -> None:
    for array in (symmetric_rule(4, 5).points, symmetric_rule(4, 3).weights, gauss_legendre().nodes):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
