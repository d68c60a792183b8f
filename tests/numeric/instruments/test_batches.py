"""Statistics of a batch: rules exact for polynomials, refusal of what is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from numeric.arrays import Doubles
from numeric.instruments.batches import polynomial_expectation, symmetric_rule


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
    ],
)
def test_what_is_no_such_polynomial_is_refused(statistic: Callable[[Doubles], Doubles]) -> None:
    with pytest.raises(ValueError, match="polynomial of degree at most 3"):
        polynomial_expectation(statistic, 32, 3)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="degree must be from 0 to 5, got 6"):
        polynomial_expectation(lambda x: x[0], 4, 6)
    with pytest.raises(ValueError, match="m must be at least 2, got 1"):
        symmetric_rule(1, 5)
    with pytest.raises(ValueError, match="sigma must be positive and finite, got -1"):
        polynomial_expectation(lambda x: x[0], 4, 1, sigma=-1.0)
