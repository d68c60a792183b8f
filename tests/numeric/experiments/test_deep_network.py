"""Networks at random initialisation, against what is known of them."""

from __future__ import annotations

import numpy as np
import torch

from numeric.experiments import deep_network, layers


def test_tangents_agree_with_pytorch() -> None:
    rng = np.random.default_rng(0)
    y, tangent = rng.standard_normal((2, 6, 3))

    def layer(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.nn.functional.batch_norm(x, None, None, training=True, eps=1e-300) + 0.25)

    _, expected = torch.autograd.functional.jvp(layer, torch.from_numpy(y), torch.from_numpy(tangent))
    found = deep_network.relu_of_batchnorm(y + 1e-150j * tangent, 0.25).imag / 1e-150
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-11)


def test_the_same_seed_gives_the_same_network() -> None:
    def growth() -> float:
        return deep_network.growth_per_layer(0.0, width=16, batch=8, depth=2, seed=5)

    assert growth() == growth()


def test_growth_does_not_depend_on_the_scale_of_the_weights() -> None:
    sizes = {"width": 32, "batch": 16, "depth": 3, "seed": 1}
    ratios = [deep_network.growth_per_layer(0.0, **sizes, weight_scale=s) for s in (0.25, 4.0)]  # type: ignore[arg-type]
    np.testing.assert_allclose(*ratios, rtol=1e-10)


def test_gradients_in_weights_keep_their_ratio_without_batchnorm() -> None:
    ratios = [layers.weight_gradient_ratio(32, scale / 32, 64, seed=2) for scale in (1.0, 9.0)]
    np.testing.assert_allclose(*ratios, rtol=1e-12)
