"""Tables 1 to 4 and supplement table 2: accuracies, which only training shows."""

from __future__ import annotations

from collections.abc import Callable

from paper_checks.claim import (
    Observation,
)

_Row = tuple[float, ...]

_BOTH: dict[str, dict[str, _Row]] = {
    "4": {
        "PACT": (70.3, 89.2, 70.4, 89.4),
        "HAQ": (67.40, 87.90, 66.99, 87.33),
        "SAT": (71.3, 89.9, 71.1, 90.0),
    },
    "5": {
        "PACT": (71.1, 89.6, 71.2, 89.8),
        "HAQ": (70.58, 89.77, 70.90, 89.91),
        "SAT": (71.9, 90.3, 72.0, 90.4),
    },
    "6": {
        "PACT": (71.2, 89.2, 71.5, 90.0),
        "HAQ": (71.20, 90.19, 71.89, 90.36),
        "SAT": (72.3, 90.4, 72.3, 90.6),
    },
    "8": {
        "PACT": (71.3, 89.7, 71.7, 89.9),
        "HAQ": (70.82, 89.85, 71.81, 90.25),
        "SAT": (72.6, 90.7, 72.5, 90.7),
    },
    "FP": {"PACT": (72.1, 90.2, 72.1, 90.5), "SAT": (71.7, 90.2, 71.8, 90.2)},
}
_WEIGHTS_ONLY: dict[str, dict[str, _Row]] = {
    "2": {
        "Deep Compression": (37.62, 64.31, 58.07, 81.24),
        "HAQ": (57.14, 81.87, 66.75, 87.32),
        "SAT": (66.3, 86.8, 66.8, 87.2),
    },
    "3": {
        "Deep Compression": (65.93, 86.85, 68.00, 87.96),
        "HAQ": (67.66, 88.21, 70.90, 89.76),
        "SAT": (70.7, 89.5, 71.1, 89.9),
    },
    "4": {
        "Deep Compression": (71.14, 89.84, 71.24, 89.93),
        "HAQ": (71.74, 90.36, 71.47, 90.23),
        "SAT": (72.1, 90.2, 72.1, 90.6),
    },
    "FP": {
        "Deep Compression": (70.90, 89.90, 71.87, 90.32),
        "HAQ": (70.90, 89.90, 71.87, 90.32),
        "SAT": (71.7, 90.2, 71.8, 90.2),
    },
}
_RESNET_BOTH: dict[str, dict[str, _Row]] = {
    "2": {"PACT": (72.2, 90.5), "LQNet": (71.5, 90.3), "LSQ": (73.7, 91.5), "SAT": (74.1, 91.7)},
    "3": {"PACT": (75.3, 92.6), "LQNet": (74.2, 91.6), "LSQ": (75.8, 92.7), "SAT": (76.6, 93.1)},
    "4": {"PACT": (76.5, 93.2), "LQNet": (75.1, 92.4), "LSQ": (76.7, 93.2), "SAT": (76.9, 93.3)},
    "FP": {"PACT": (76.9, 93.1), "LQNet": (76.4, 93.2), "LSQ": (76.9, 93.4), "SAT": (75.9, 92.5)},
}
_RESNET_WEIGHTS_ONLY: dict[str, dict[str, _Row]] = {
    "2": {
        "Deep Compression": (68.95, 88.68),
        "LQNet": (75.1, 92.3),
        "HAQ": (70.63, 89.93),
        "SAT": (75.3, 92.4),
    },
    "3": {"Deep Compression": (75.10, 92.33), "HAQ": (75.30, 92.45), "SAT": (76.3, 93.0)},
    "4": {
        "Deep Compression": (76.15, 92.88),
        "LQNet": (76.4, 93.1),
        "HAQ": (76.14, 92.89),
        "SAT": (76.4, 93.0),
    },
    "FP": {
        "Deep Compression": (76.15, 92.86),
        "LQNet": (76.4, 93.2),
        "HAQ": (76.15, 92.86),
        "SAT": (75.9, 92.5),
    },
}
_ABLATION: dict[str, _Row] = {
    "PACT": (70.3, 89.2, 71.3, 89.7),
    "PACT+SAT": (70.9, 89.5, 72.6, 90.6),
    "PACT+CG": (70.4, 89.3, 71.0, 89.5),
    "PACT+SAT+CG": (71.3, 89.9, 72.6, 90.7),
}
_ENDS: dict[str, tuple[_Row, _Row]] = {
    "4": ((71.3, 89.9), (71.2, 89.8)),
    "5": ((71.9, 90.3), (72.1, 90.3)),
    "6": ((72.3, 90.4), (72.5, 90.5)),
}
"""First and last layer at 8 bits, and at the bits of the others."""

_COLUMNS = ("MobileNet-V1 Acc1", "MobileNet-V1 Acc5", "MobileNet-V2 Acc1", "MobileNet-V2 Acc5")
_IMAGES = 50_000  # of the validation set


def _chance(accuracy: float) -> float:
    """Standard error, in percent, of an accuracy measured on the validation set."""
    return float((accuracy * (100 - accuracy) / _IMAGES) ** 0.5)


def _not_better(table: dict[str, dict[str, _Row]], columns: tuple[str, ...]) -> str:
    """Where the document's method is not strictly better than another at the same size."""
    worse = [
        f"{bits} bits, {columns[c]}: {rows['SAT'][c]} against {row[c]} ({name})"
        for bits, rows in table.items()
        if bits != "FP"
        for name, row in rows.items()
        for c in range(len(columns))
        if name != "SAT" and row[c] >= rows["SAT"][c]
    ]
    text = "Not strictly better than another method: " + ("; ".join(worse) or "nowhere")
    return text + "."


def _from_bits(table: dict[str, dict[str, _Row]], columns: tuple[str, ...]) -> str:
    """From how many bits on the top-1 accuracy is above that of full precision."""

    def first(column: int, full: float) -> str:
        above = [bits for bits, rows in table.items() if bits != "FP" and rows["SAT"][column] > full]
        return f"{above[0]} bits" if above else "no number of bits"

    parts = []
    for c in range(0, len(columns), 2):
        best, by = max((row[c], name) for name, row in table["FP"].items())
        own = table["FP"]["SAT"][c]
        parts.append(
            f"{columns[c]} above its own full-precision run ({own}) from {first(c, own)} on, above the best one of "
            f"the table ({best}, {by}) from {first(c, best)} on"
        )
    return "; ".join(parts) + "."


def _accuracies(
    table: dict[str, dict[str, _Row]], columns: tuple[str, ...]
) -> Callable[[int], tuple[str, ...]]:
    return lambda _: (
        _not_better(table, columns),
        _from_bits(table, columns),
        f"An accuracy of {table['FP']['SAT'][0]} % on {_IMAGES} images has a standard error of "
        f"{_chance(table['FP']['SAT'][0]):.2f} %, and each number is one run.",
        "Only training on ImageNet shows these numbers; nothing was trained.",
    )


def _resnet(seed: int) -> tuple[str, ...]:
    columns = ("Acc1", "Acc5")
    both, weights_only = (_accuracies(t, columns)(seed) for t in (_RESNET_BOTH, _RESNET_WEIGHTS_ONLY))
    return (
        *(f"Weights and activations: {line}" for line in both[:2]),
        *(f"Weights only: {line}" for line in weights_only[:2]),
        *both[2:],
    )


def _ablation(_: int) -> tuple[str, ...]:
    base, sat, cg, full = _ABLATION.values()

    def gains(after: _Row, before: _Row) -> str:
        return ", ".join(f"{a - c:+.1f}" for a, c in zip(after, before, strict=True))

    same = full == (*_BOTH["4"]["SAT"][:2], *_BOTH["8"]["SAT"][:2]) and base == (
        *_BOTH["4"]["PACT"][:2],
        *_BOTH["8"]["PACT"][:2],
    )
    return (
        f"The first and the last row {'are' if same else 'are not'} those of Tab 1.",
        f"SAT alone adds {gains(sat, base)} (4 bits Acc1, Acc5; 8 bits Acc1, Acc5), the calibrated gradient alone "
        f"{gains(cg, base)}, the calibrated gradient on top of SAT {gains(full, sat)}.",
        f"A difference of two runs has a standard error of about {2**0.5 * _chance(71.0):.2f} % if their errors are "
        "independent: that SAT matters more holds at both sizes; that the calibrated gradient helps shows at 4 bits "
        "with SAT, and not at 8 bits, where alone it loses.",
    )


def _first_and_last(_: int) -> tuple[str, ...]:
    same = all(fixed == _BOTH[bits]["SAT"][:2] for bits, (fixed, _own) in _ENDS.items())
    changes = ", ".join(f"{own[0] - fixed[0]:+.1f} at {bits} bits" for bits, (fixed, own) in _ENDS.items())
    return (
        f"The columns with 8 bits {'are' if same else 'are not'} those of Tab 1.",
        f"Acc1 changes by {changes} when the first and last layer are quantised like the others; one run has a "
        f"standard error of {_chance(72.0):.2f} %: no reduction can be seen, at 4 bits either.",
        "Only training shows these numbers; nothing was trained.",
    )


def tables() -> tuple[Observation, ...]:
    accuracy = "Accuracies on ImageNet"
    return (
        Observation(
            "Tab 1",
            f"{accuracy}, MobileNets, weights and activations quantised",
            r"\text{Acc1, Acc5}",
            _accuracies(_BOTH, _COLUMNS),
        ),
        Observation(
            "Tab 2",
            f"{accuracy}, MobileNets, weights quantised",
            r"\text{Acc1, Acc5}",
            _accuracies(_WEIGHTS_ONLY, _COLUMNS),
        ),
        Observation("Tab 3", f"{accuracy}, ResNet-50", r"\text{Acc1, Acc5}", _resnet),
        Observation(
            "Tab 4",
            f"{accuracy}, MobileNet-V1: which of the two methods helps",
            r"\text{Acc1, Acc5}",
            _ablation,
        ),
        Observation(
            "Tab S2",
            "Accuracies of MobileNet-V1, first and last layer at 8 bits or as the others",
            r"\text{Acc1, Acc5}",
            _first_and_last,
        ),
    )
