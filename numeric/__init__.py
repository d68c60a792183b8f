"""Fast values, and experiments that know only definitions and could prove a closed form wrong. No SymPy here.

Examples
--------
>>> from numeric.experiments.relu import ReluDraws
>>> from numeric.sampling.engine import sample
>>> (moments,) = sample(ReluDraws(((1.0, 0.0),)), 10**6, seed=0)
>>> estimate = moments.of(lambda t: t[2])
>>> estimate.refutes(0.5, comparisons=1), estimate.refutes(0.51, comparisons=1)
(False, True)
"""
