"""Monte Carlo: reproducible on any number of workers, and able to refute."""

from __future__ import annotations

import numpy as np
import pytest

from numeric import sample_means
from numeric.experiments import relu


def test_result_does_not_depend_on_the_number_of_workers() -> None:
    one, two = (relu.moments(1.0, 0.3, 500_000, seed=4, stream=1, jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(one.mean, two.mean)
    assert np.array_equal(one.covariance, two.covariance)


def test_a_formula_wrong_by_its_resolution_is_refuted() -> None:
    estimate = relu.estimates(relu.moments(1.0, 0.0, 4_000_000, seed=4, stream=2), 1.0)["second_moment"]
    assert not estimate.refutes(0.5, comparisons=50)
    assert estimate.refutes(0.5 * (1 + 2 * estimate.resolution(50)), comparisons=50)
    assert estimate.refutes(float("nan"), comparisons=50)


def test_a_biased_generator_is_noticed() -> None:
    def biased(rng: np.random.Generator, n: int) -> np.ndarray:
        return (rng.standard_normal(n) * 1.002)[None, :] ** 2

    assert (
        sample_means(biased, 20_000_000, seed=0, stream=0)
        .of(lambda t: float(t[0]))
        .refutes(1.0, comparisons=1)
    )


@pytest.mark.parametrize(
    ("draws", "jobs", "message"), [(0, 1, "draws must be at least 1, got 0"), (1, 0, "jobs must")]
)
def test_bad_arguments_are_named(draws: int, jobs: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        relu.moments(1.0, 0.0, draws, seed=0, stream=0, jobs=jobs)
