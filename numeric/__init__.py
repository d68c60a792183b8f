"""Fast values, and experiments that know only definitions and could prove a closed form wrong. No SymPy here.

Examples
--------
>>> from numeric.experiments import relu
>>> means = relu.moments(1.0, 0.0, 1_000_000, seed=0, stream=0)
>>> relu.estimates(means, 1.0)["second_moment"].refutes(0.5, comparisons=1)
False
>>> relu.estimates(means, 1.0)["second_moment"].refutes(0.51, comparisons=1)
True
"""

from numeric.monte_carlo import Estimate, Means, sample_means

__all__ = ["Estimate", "Means", "sample_means"]
