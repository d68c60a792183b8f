"""X. Li: normalization in deep neural networks, notes of June 2023.

The document's letters and ours: upstream gradients dl/dy_i = g_i, hence dl/dxhat_i = gamma g_i; one feature, mini-batch
x_1, ..., x_m, mean mu_B and biased variance sigma_B^2. Section 2.4 has no epsilon.
"""

from __future__ import annotations

from paper_checks.claim import AnyClaim
from paper_checks.papers.li2023 import gradients, inference, lipschitz, transform
from paper_checks.papers.li2023.symbols import LETTERS as LETTERS

TITLE = "Normalization in deep neural networks"
WHERE = "notes, June 2023"
LABELS = (
    *("1", "2", "3", "P1", "P2", "4", "5", "6", "7", "8"),
    *("Alg 1.2", "Alg 1.3", "Alg 1.4", "Alg 1.5"),
    *(str(number) for number in range(9, 47)),
    *("Alg 2", "47", "48", "49", "Def 2.1", "50", "51", "Def 2.2", "52", "Thm 2.1", "53"),
    *("P3", "P4", "54", "55", "56", "57", "58", "59", "60", "61", "62", "63", "Thm 2.2"),
)


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    return (
        *transform.standardisation(),
        *transform.chain_rule(),
        *transform.transform(),
        *gradients.gradients(),
        *gradients.parameters(),
        *gradients.mean_and_variance(),
        *gradients.inputs(),
        *inference.running(),
        *inference.covariate_shift(),
        *lipschitz.lipschitz(),
        *lipschitz.weight_space(),
    )
