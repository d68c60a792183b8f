"""Q. Jin, L. Yang, Z. Liao: towards efficient training for neural network quantization."""

from paper_checks.claim import AnyClaim
from paper_checks.papers.jin2019 import training

TITLE = "Towards efficient training for neural network quantization"
WHERE = "arXiv:1912.10207"
LETTERS = training.LETTERS
LABELS = training.LABELS


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, the signals first, then the quantisation."""
    return training.claims()
