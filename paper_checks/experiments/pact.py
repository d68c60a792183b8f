"""PACT: which straight-through derivative tests which formula, and where."""

from __future__ import annotations

import numpy as np

from numeric.experiments import pact
from paper_checks.experiments.measurement import Experiment, Measurement, generator_of_points


def _pact(bits: int) -> Experiment:
    """Straight-through derivatives on every piece, and close to both sides of places where rounding jumps."""
    names = ("clip", "quantised", "grad_alpha", "grad_input", "grad_alpha_original", "gradient_difference")

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        out = []
        steps = 2**bits - 1
        shares = [share + 0.01 * rng.uniform() for share in (-1.6, -0.4, 0.1, 0.37, 0.62, 0.93, 1.7)]
        shares += [(k + 0.5 + d) / steps for k in {0, steps // 2, steps - 1} for d in (-1e-6, 1e-6)]
        places = [(share * alpha, alpha) for share in shares for alpha in [float(rng.uniform(0.5, 3.0))]]
        drawn = len(places)
        # next to the kinks, at a small clipping level, and where rounding ties, in numbers that divide exactly
        places += [
            (-0.01, 1.5),
            (1.515, 1.5),
            (0.004, 0.01),
            (0.015, 0.01),
            *(((k + 0.5) / 4, steps / 4) for k in (0, steps - 1)),
        ]
        for number, (x, alpha) in enumerate(places):
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
                Measurement(f"pact.{name}", point, value, at_random=number < drawn)
                for name, value in zip(names, values, strict=True)
            ]
        largest = pact.largest_difference(float(rng.uniform(0.5, 3.0)), bits)
        return [*out, Measurement("pact.difference_bound", {"b": bits}, largest, at_random=True)]

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
        rng = generator_of_points(seed, stream)
        alpha = float(rng.uniform(0.5, 3.0))
        point = {"alpha": alpha, "b": bits}
        out = []
        for kind, place, word in kinks:
            # a larger alpha leaves x = alpha on the left piece, a larger x leaves it on the right one
            right = (word == "plus") == (kind == "grad_input")
            gradient = pact.grad_alpha if kind == "grad_alpha" else pact.grad_input
            value = gradient(0.0 if place == "zero" else alpha, alpha, bits, 1 if right else -1)
            out.append(Measurement(f"pact.{kind}_at_{place}_{word}", point, value, at_random=True))
        return out

    return Experiment(tuple(f"pact.{kind}_at_{place}_{word}" for kind, place, word in kinks), run)


def experiments() -> tuple[Experiment, ...]:
    """Those of this subject."""
    return (*(_pact(bits) for bits in (1, 2, 4, 8)), *(_pact_kinks(bits) for bits in (1, 4)))
