"""Blocks of numbers are computed in memory that the process has already."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from numeric import relu
from numeric.evaluation.elementwise import BLOCK

mu, sigma = np.linspace(-3, 3, BLOCK), np.full(BLOCK, 0.7)
relu.variance_gradient(mu, sigma)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    relu.variance_gradient(mu, sigma)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what the allocator of glibc gives back")
def test_a_kernel_does_not_ask_for_its_memory_anew_for_each_block() -> None:
    as_it_is = {
        name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")
    }  # Dask sets some
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=as_it_is
    )
    assert float(run.stdout) < 32  # pages: a third of one array, and the kernel has more than a dozen
