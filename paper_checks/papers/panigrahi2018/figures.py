"""What only training shows, and the rule of three standard deviations."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from derivations import Antiderivative, Derivation, Domain, Phi, phi
from derivations.relu import z
from numeric.experiments import deep_network
from paper_checks.claim import (
    Observation,
    Table,
)
from paper_checks.papers.panigrahi2018.layer import (
    constants,
)


def three_sigma() -> Table:
    value = sp.Integral(phi(z), (z, -3, 3))
    percent = Derivation.begin(100 * value, Domain({})).step(
        "fundamental theorem", 100 * (Phi(3) - Phi(-3)), by=Antiderivative(100 * Phi(z), z)
    )
    return Table(
        "P4",
        "Probability of three standard deviations, in per cent",
        r"P(|\Delta| < 3 Std(\Delta)) = 99.7\%",
        (("within three", "99.7", percent),),
        assumptions=("A normal law.",),
    )


def figures() -> dict[str, Observation]:
    def along_a_scale(blocks_: int) -> Callable[[int], tuple[str, ...]]:
        def found(seed: int) -> tuple[str, ...]:
            scale_ = deep_network.residual_scale(blocks_, 2, width=128, batch=128, seed=seed)
            factors = [f"{value:.2f}" for value in scale_.growth]
            return (
                "Not trained. Simulated at initialisation: factors of the gradient variance through the blocks "
                "2, 3, ... "
                f"of a scale {', '.join(factors)}; 1 + (c1/c2)^2/(L - 1/2) says "
                + ", ".join(
                    f"{1 + constants(0)[2] ** 2 / (size - 0.5):.2f}" for size in range(2, blocks_ + 1)
                )
                + ".",
            )

        return found

    def plain(seed: int) -> tuple[str, ...]:
        layer = deep_network.growth_per_layer(0.0, width=128, batch=128, depth=8, seed=seed)
        return (
            "Not trained. Simulated at initialisation: without shortcuts the gradient variance grows by "
            f"{layer:.3f} per layer, {layer**2:.3f} for the two layers of a block, in every block; with shortcuts by "
            "factors that tend to 1 (figure 5). That it stays in a range without shortcuts is not so at "
            "initialisation.",
        )

    def accuracy(_: int) -> tuple[str, ...]:
        return (
            "Not run: training accuracy on CIFAR-10 needs the data set and training; what can be computed of these "
            "models is under figures 9 and 12.",
        )

    def explosion(seed: int) -> tuple[str, ...]:
        factor = deep_network.variance_without_batchnorm(15, width=128, batch=128, seed=seed)
        return (
            "Not trained. Simulated without BatchNorm, weights of variance 1/fan-in (Xavier): the mean square of the "
            f"activations grows by {factor:.3f} per residual block, over 15 blocks by {factor**15:.3g}. The expected "
            "factor is 1 + 1/4: exponential, as the figure has it, but over 15 blocks initialisation alone does "
            "not explain "
            "a loss that is undefined.",
        )

    def shift_ratios(_: int) -> tuple[str, ...]:
        low, middle, high = (constants(ratio) for ratio in (-1, 0, 1))
        return (
            "Not trained. Section 3.3 refers to figure 14 where this one, 13, is meant. The true c1/c2 is "
            f"{low[2]:.4f} at a = -1, {middle[2]:.4f} at 0 and {high[2]:.4f} at 1; as printed {low[0]:.4f}, "
            f"{middle[0]:.4f} and {high[0]:.4f}. The average of |a| hides the sign, on which it depends.",
        )

    def batch_sizes(seed: int) -> tuple[str, ...]:
        sizes = (128, 256, 512)
        factors = [
            deep_network.growth_per_layer(0.0, width=128, batch=size, depth=8, seed=seed) for size in sizes
        ]
        return (
            "Simulated, gradient growth per layer at batch sizes 128, 256, 512: "
            + ", ".join(f"{factor:.3f}" for factor in factors)
            + ". BatchNorm alone multiplies by 1 - 2/m: "
            + ", ".join(f"{1 - 2 / size:.3f}" for size in sizes)
            + ", so (14) depends on the batch size, but little.",
        )

    def weight_scales(seed: int) -> tuple[str, ...]:
        factors = [
            deep_network.growth_per_layer(0.0, width=128, batch=128, depth=8, seed=seed, weight_scale=value)
            for value in (0.1, 1.0, 10.0)
        ]
        return (
            "Simulated, gradient growth per layer with weights 0.1, 1 and 10 times as large in every layer: "
            + ", ".join(f"{factor:.6f}" for factor in factors)
            + ". Only quotients of weight variances enter (13).",
        )

    return {
        "Fig 5": Observation(
            "Fig 5",
            "Gradient variance along a residual network of 15 blocks",
            r"\text{Fig 5}",
            along_a_scale(5),
        ),
        "Fig 6": Observation(
            "Fig 6", "Norm of the gradient along the same network", r"\text{Fig 6}", along_a_scale(5)
        ),
        "Fig 8": Observation("Fig 8", "Training accuracy of the three models", r"\text{Fig 8}", accuracy),
        **{
            label: Observation(
                label, "Gradient variance with and without shortcuts", rf"\text{{{label}}}", plain
            )
            for label in ("Fig 9", "Fig 10", "Fig 11")
        },
        "Fig 7": Observation(
            "Fig 7", "The same with 99 blocks, 33 in each scale", r"\text{Fig 7}", along_a_scale(8)
        ),
        "Tab 1": Observation(
            "Tab 1",
            "Test accuracy with BatchNorm and shortcuts, without shortcuts, without BatchNorm",
            r"92.5\%,\; 90.6\%,\; 9.09\%",
            lambda _: (
                "Not trained. Of ten classes guessing finds 10 %: 9.09 % without BatchNorm is no more than that. "
                f"Without shortcuts, 30 layers multiply the variance of the gradient by {constants(0)[2]:.4g}^30 = "
                f"{constants(0)[2] ** 30:.3g} at initialisation, by (13) corrected; a network may train to 90.6 % all "
                "the same.",
            ),
        ),
        "Fig 12": Observation(
            "Fig 12", "Explosion of gradients without BatchNorm", r"\text{Fig 12}", explosion
        ),
        "Fig 13": Observation(
            "Fig 13",
            "Mean |beta/gamma| of each layer stays below 1",
            r"|a| \leq 1.0",
            shift_ratios,
        ),
        "Fig 14": Observation(
            "Fig 14", "Gradient variance at batch sizes 128, 256, 512", r"\text{Fig 14}", batch_sizes
        ),
        "Fig 15": Observation(
            "Fig 15", "Gradient variance for two scales of the weights", r"\text{Fig 15}", weight_scales
        ),
    }
