"""Q. Jin, L. Yang, Z. Liao: towards efficient training for neural network quantization.

``training`` has the signals and gradients of the network; the other modules have weights and activations with few
bits. Steps a = n = 2^b - 1, clipping level alpha, rounding brackets = Round (ties to even); VAR of the elements of a
weight matrix is their mean square.
"""

from __future__ import annotations

from paper_checks.claim import AnyClaim
from paper_checks.papers.jin2019 import (
    absorbed,
    accuracies,
    activations,
    independence,
    symbols,
    training,
    weights,
)

TITLE = "Towards efficient training for neural network quantization"
WHERE = "arXiv:1912.10207"
LETTERS = {**training.LETTERS, **symbols.LETTERS}
"""How the document writes our symbols."""

LABELS = (
    *("1a", "1b", "1c", "1d", "2", "3", "4", "ETR II"),
    *("5", "P1", "6", "P2", "Fig 2a", "7", "P3", "8", "9", "P4", "10", "P5"),
    *("11a", "11b", "12", "13", "P6", "Tab 1", "Tab 2", "Tab 3", "Tab 4"),
    *("S1", "S2a", "S2b", "S2c", "S3a", "S3b", "S3c", "S3d", "S3e", "S4", "S5", "S6", "S7"),
    *("Fig S1", "Tab S1.1", "Tab S1.2"),
    *("S8a", "S8b", "S8c", "S8d", "S9a", "S9b", "S9c.1", "S9c.2", "S9d", "S9e", "S9f", "S10a", "S10b"),
    *("S11.1", "S11.2", "S11.3", "S12a", "S12b", "S12c", "S13a", "S13b", "S13c", "S14", "S15", "S16"),
    *("S17a", "S17b", "S18a", "S18b", "S19a", "S19b", "S20a", "S20b", "S20c", "S21"),
    *("S22a", "S22b", "S22c", "S22d", "P7", "Fig S3", "S23", "P8", "Fig S4"),
    *("S24a", "S24b", "S24c", "S25", "S26a", "S26b", "S26c", "S26d", "S26e", "S26f", "Tab S2"),
    *("S27", "S28a", "S28b", "S28c", "S28d"),
)


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    parts = (
        training.claims(),
        weights.weight_claims(),
        weights.rescaling(),
        activations.activation_claims(),
        activations.clip_and_gradient(),
        independence.measurement(),
        independence.independence(),
        accuracies.tables(),
        absorbed.absorbed(),
    )
    return tuple(sorted((c for part in parts for c in part), key=lambda claim: LABELS.index(claim.label)))
