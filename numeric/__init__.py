"""Fast values, and experiments that know only definitions and could prove a closed form wrong. No SymPy here.

Functions of numbers take real numbers and arrays of any layout, which are broadcast. They compute in float32 where
NumPy would with the same arguments in float32 or float16, else in float64, to which integers and extended precision are
rounded. What that cannot hold, arrays with a mask, complex numbers and text are refused with ValueError, by name; nan
stays where it is.

Examples
--------
>>> from numeric.experiments.relu import ReluDraws
>>> from numeric.sampling.engine import sample
>>> (moments,) = sample(ReluDraws(((1.0, 0.0),)), 10**6, seed=0)
>>> estimate = moments.of(lambda t: t[2])
>>> estimate.refutes(0.5, comparisons=1), estimate.refutes(0.51, comparisons=1)
(False, True)
"""
