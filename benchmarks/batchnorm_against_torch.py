"""Speed of ``numeric.batchnorm`` relative to PyTorch on one thread; exits with 1 when a target is missed.

Ours computes the statistics of the batch from the inputs; PyTorch's backward pass is given them by its forward pass.
The same work is therefore ``both``: PyTorch's forward and backward pass against our backward pass, and the targets are
set there. ``graph``, autograd's backward pass after a forward pass done before, and ``native``, the operator under
it, are harder comparisons and printed beside; and ``plain``, the operator against the same formulas in as few passes of
NumPy as they take, with no care for rounding, no checks, and memory that is kept from call to call: more than a library
in NumPy can reach of that operator's speed.

Runs alternate, so that whatever else the machine does meets both alike. A ratio is the time of PyTorch over ours: the
shortest of each, which the targets are for, and in brackets that of the medians. On large batches PyTorch's times have
two heights, with memory that is new and with memory that was used before.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402

from numeric import batchnorm  # noqa: E402
from numeric.arrays import aligned  # noqa: E402

TARGETS = {(256, 1024): 0.6, (4096, 512): 0.6, (128, 65536): 1.0}
EPS = 1e-5
SECONDS = 2.0

Call = Callable[[], object]


def calls(shape: tuple[int, int], dtype: torch.dtype) -> Iterator[tuple[str, Call, Call]]:
    """What is compared: the name of PyTorch's side, PyTorch, and ours."""
    generator = torch.Generator().manual_seed(0)
    x, g, v = (torch.randn(shape, dtype=dtype, generator=generator) for _ in range(3))
    gamma, beta = (torch.randn(shape[1], dtype=dtype, generator=generator) for _ in range(2))
    arrays = [t.numpy() for t in (x, g, v, gamma, beta)]
    leaves = [t.clone().requires_grad_(True) for t in (x, gamma, beta)]

    def output(leaves: list[torch.Tensor]) -> torch.Tensor:
        x, gamma, beta = leaves
        return torch.nn.functional.batch_norm(
            x, None, None, gamma, beta, training=True, momentum=0.1, eps=EPS
        )

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return output(leaves)

    done = output(leaves)
    _, mean, root = torch.native_batch_norm(x, gamma, beta, None, None, True, 0.1, EPS)

    def native() -> object:
        return torch.ops.aten.native_batch_norm_backward(
            g, x, gamma, None, None, mean, root, True, EPS, [True] * 3
        )

    def ours() -> object:
        return batchnorm.backward(arrays[0], arrays[1], arrays[3], EPS)

    rows = max(1, (1 << 18) // shape[1])
    result, scratch = aligned(shape, arrays[0].dtype), aligned((rows, shape[1]), arrays[0].dtype)
    ones, eps = np.ones(shape[0], arrays[0].dtype), arrays[0].dtype.type(EPS)

    def plain() -> tuple[Any, ...]:
        x, g, _, gamma, _ = arrays
        with np.errstate():
            np.setbufsize(16)  # as in ours
            np.subtract(x, (ones @ x) / len(x), out=result)
            of_g, of_product = ones @ g, np.einsum("ij,ij->j", g, result)
            s = 1 / np.sqrt(np.einsum("ij,ij->j", result, result) / len(x) + eps)
            on_g, on_x, constant = gamma * s, -gamma * s**3 * of_product / len(x), -gamma * s * of_g / len(x)
            for start in range(0, len(x), rows):
                out, upstream = result[start : start + rows], g[start : start + rows]
                np.multiply(out, on_x, out=out)
                np.multiply(upstream, on_g, out=scratch[: len(out)])
                np.add(scratch[: len(out)], constant, out=scratch[: len(out)])
                np.add(out, scratch[: len(out)], out=out)
        return result, s * of_product, of_g

    for found, expected in zip(
        plain(), batchnorm.backward(arrays[0], arrays[1], arrays[3], EPS), strict=True
    ):
        assert np.allclose(found, expected, rtol=1e-3, atol=1e-3)
    yield "graph", lambda: torch.autograd.grad(done, leaves, g, retain_graph=True), ours
    yield "native", native, ours
    yield "plain", native, plain
    yield "both", lambda: torch.autograd.grad(output(leaves), leaves, g), ours
    yield "forward", forward, lambda: batchnorm.forward(arrays[0], arrays[3], arrays[4], EPS)
    upstream = g.clone().requires_grad_(True)
    first = torch.autograd.grad(output(leaves), leaves, upstream, create_graph=True)
    yield (
        "double",
        lambda: torch.autograd.grad(first[0], (leaves[0], upstream, leaves[1]), v, retain_graph=True),
        lambda: batchnorm.double_backward(arrays[0], arrays[1], arrays[3], EPS, arrays[2]),
    )


def times(first: Call, second: Call) -> tuple[list[float], list[float]]:
    """Sorted seconds of two functions that take turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(seconds[0]) < 5:
        for call, taken in zip((first, second), seconds, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return sorted(seconds[0]), sorted(seconds[1])


def main() -> int:
    """Measure, print, and compare with the targets."""
    torch.set_num_threads(1)
    missed = 0
    for shape, target in TARGETS.items():
        for dtype in (torch.float32, torch.float64):
            line = [f"{shape!s:>14} {str(dtype).removeprefix('torch.')}  target {target}"]
            for name, theirs, ours in calls(shape, dtype):
                slow, fast = times(theirs, ours)
                best, median = slow[0] / fast[0], slow[len(slow) // 2] / fast[len(fast) // 2]
                if name == "both":
                    line.append(f"ours {fast[0] * 1e6:.0f} us")
                    missed += best < target
                line.append(f"{name} {best:.2f} ({median:.2f})")
            print("  ".join(line), flush=True)
    print(f"numpy {np.__version__}, torch {torch.__version__}: {missed} targets missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
