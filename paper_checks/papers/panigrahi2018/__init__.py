"""A. Panigrahi, Y. Chen, C.-C. J. Kuo: gradient propagation in batch normalized residual networks.

A layer is BatchNorm, ReLU and a linear map W of n inputs to n' outputs. The document's letters and ours: gradient
Delta x~ = g upstream of BatchNorm, features y = x, normalised z, shift ratio a = beta/gamma, output y^ of the ReLU.
There is no eps. The scale gamma is positive wherever nothing else is said: (31) is about its sign.

The factor c1/c2 of a layer stands in (13) to (40). In truths of residual networks c1 and c2 are letters for what
(12) and (10) ask for, the probability of an open gate and the variance of a ReLU over gamma^2; (16) is held against
that.
"""

from __future__ import annotations

from paper_checks.claim import AnyClaim
from paper_checks.papers.panigrahi2018 import batchnorm, bounds, figures, layer, moments, residual
from paper_checks.papers.panigrahi2018.symbols import LETTERS as LETTERS

TITLE = "Analysis on gradient propagation in batch normalized residual networks"
WHERE = "arXiv:1812.00342"
_SECTION_5 = ("Fig 5", "Fig 6", "Fig 7", "Fig 8", "Tab 1", "Fig 9", "Fig 10", "Fig 11", "Fig 12")

LABELS = (
    *("1", "2", "3", "4", "5a", "5b", "6", "7a", "7b", "8", "9.1", "9.2", "10", "11a", "11b", "12a.1"),
    *("12a.2", "12b", "13", "U1", "U2", "U3.1", "U3.2", "14.1", "14.2", "P1", "P2", "P3", "15", "16"),
    *("17", "18", "19", "20", "21", "P4", "22", *_SECTION_5),
    *("23", "24", "U4", "25.1", "25.2", "26.1", "26.2", "27", "28", "U5.1", "U5.2"),
    *("29.1", "29.2", "29.3", "30", "31a", "31b", "U6", "U7", "U8", "32", "33"),
    *("34", "U9", "35", "U10", "U11", "36", "37", "38", "39", "U12", "40"),
    *("U13", "U14", "U15", "P5", "U16", "U17", "Fig 13", "Fig 14", "Fig 15"),
)


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    blocks = residual.residual_backward()
    observed = figures.figures()
    found: list[AnyClaim] = [
        *batchnorm.batchnorm(),
        *moments.forward(),
        *layer.backward(),
        bounds.kantorovich("U1"),
        bounds.jensen(),
        *bounds.quotients(),
        *bounds.layer_bounds(),
        *layer.values_of_the_constant(),
        *residual.residual_forward(),
        blocks["21"],
        figures.three_sigma(),
        residual.simplified(),
        *(observed[label] for label in _SECTION_5),
        *moments.appendix_a(),
        *layer.appendix_b(),
        *residual.appendix_c(),
        blocks["38"],
        blocks["39"],
        residual.two_branches(),
        blocks["40"],
        *bounds.appendix_e(),
        *(observed[label] for label in ("Fig 13", "Fig 14", "Fig 15")),
    ]
    return tuple(found)
