"""Q. Jin, L. Yang, Z. Liao: towards efficient training for neural network quantization.

Signals and gradients of the network are in ``training``, weights and activations with few bits in ``quantisation``.
"""

from __future__ import annotations

from paper_checks.claim import AnyClaim
from paper_checks.papers.jin2019 import quantisation, training

TITLE = "Towards efficient training for neural network quantization"
WHERE = "arXiv:1912.10207"
LETTERS = {**training.LETTERS, **quantisation.LETTERS}
"""How the document writes our symbols."""

LABELS = (*training.MAIN, *quantisation.MAIN, *training.SUPPLEMENT, *quantisation.SUPPLEMENT)


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    return tuple(
        sorted((*training.claims(), *quantisation.claims()), key=lambda claim: LABELS.index(claim.label))
    )
