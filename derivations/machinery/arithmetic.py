"""Numbers that come with an error: balls that contain the true value (python-flint), or samples of 60 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath

flint: Any
try:
    import flint
except ImportError:  # the optional extra "rigorous"
    flint = None

DIGITS = 60
"""Working precision."""


class Unevaluable(ValueError):
    """An expression holds something that cannot be evaluated at a point."""


class BallArithmetic:
    """Real balls of python-flint: every result contains the true value."""

    evidence = "enclosed"

    def __init__(self, digits: int = DIGITS) -> None:
        self.digits = digits
        self.use()

    def use(self) -> None:
        """Work at this precision from now on; python-flint holds one for the whole process."""
        flint.ctx.dps = self.digits
        self._rationals: dict[tuple[int, int], Any] = {}  # at this precision

    def rational(self, p: int, q: int = 1) -> Any:
        """The ratio of two integers."""
        known = self._rationals.get((p, q))
        if known is None:
            known = self._rationals[p, q] = flint.arb(flint.fmpq(int(p), int(q)))
        return known

    def pi(self) -> Any:
        return flint.arb.pi()

    def apply(self, name: str, x: Any) -> Any:
        if name == "log" and isinstance(x, flint.arb) and not x > 0:
            raise Unevaluable("logarithm of a ball that is not positive")
        if name == "lambertw_minus1":
            return x.lambertw(-1)
        if name == "erfc" and isinstance(x, flint.arb):
            # decreasing: between its values at the ends; far out arb's own bound for a ball is much wider
            return x.lower().erfc().union(x.upper().erfc())
        return getattr(x, name)()

    def power(self, base: Any, exponent: Any) -> Any:
        return base**exponent

    def sign(self, x: Any) -> int:
        if x > 0:
            return 1
        if x < 0:
            return -1
        if x.is_zero():
            return 0
        raise Unevaluable("a sign that the ball does not decide")

    def round_half_even(self, x: Any) -> Any:
        return self.floor(x + self.rational(1, 2), half_even=True)

    def floor(self, x: Any, half_even: bool = False) -> Any:
        unique = x.floor().unique_fmpz()
        if unique is None:
            raise Unevaluable("a floor that the ball does not decide")
        if half_even and x.is_integer() and x.is_exact() and int(unique) % 2:
            unique -= 1
        return flint.arb(unique)

    def midpoint(self, low: Any, high: Any) -> Any:
        return (low + high) / 2

    def exact_midpoint(self, low: Any, high: Any, half: Any) -> Any:
        """A point near the middle, without the radius of the ends."""
        return ((low + high) * half).mid()

    def integrate(self, integrand: Callable[[Any], Any], low: Any, high: Any) -> Any:
        def wrapped(z: Any, analytic: bool) -> Any:
            try:
                return flint.acb(integrand(z))
            except (ZeroDivisionError, Unevaluable):
                return flint.acb("nan")

        result = flint.acb.integral(wrapped, flint.acb(low), flint.acb(high))
        return result.real

    def widen(self, x: Any, bound: Any) -> Any:
        return x + flint.arb(0, bound.upper())

    def agree(self, x: Any, y: Any) -> bool:
        difference = x - y
        scale = 1 + abs(x).upper()
        width_ok = difference.rad() < scale * self.rational(1, 10**45)
        return bool(difference.contains(0) and width_ok)

    def below(self, x: Any, y: Any) -> bool:
        """Whether one value is certainly less than another."""
        return bool(x < y)

    def text(self, x: Any, digits: int = 20) -> str:
        return str(x.str(digits, radius=False))

    def settled(self, x: Any, before: Any, digits: int) -> bool:
        """Whether a value has so many accurate digits."""
        return bool(x.is_finite() and (x.is_zero() or x.rel_accuracy_bits() > 3.33 * digits))

    def vanishes(self, x: Any) -> bool:
        """Whether a value cannot be told from zero, however small its error."""
        return bool(x.contains(0) and x.rad() < self.rational(1, 10 ** (self.digits // 2)))


class SampleArithmetic:
    """mpmath at the same working precision: no bound, hence samples and no enclosures."""

    evidence = "sampled"

    def __init__(self, digits: int = DIGITS) -> None:
        self.mp = mpmath.mp.clone()
        self.mp.dps = self.digits = digits

    def use(self) -> None:
        """Nothing: the precision belongs to this object."""

    def rational(self, p: int, q: int = 1) -> Any:
        """The ratio of two integers."""
        return self.mp.mpf(int(p)) / int(q)

    def pi(self) -> Any:
        return +self.mp.pi

    def apply(self, name: str, x: Any) -> Any:
        if name == "lambertw_minus1":
            return self.mp.lambertw(x, -1).real
        if name == "lambertw":
            return self.mp.lambertw(x).real
        return getattr(self.mp, name)(x)

    def power(self, base: Any, exponent: Any) -> Any:
        return base**exponent

    def sign(self, x: Any) -> int:
        return int(self.mp.sign(x))

    def floor(self, x: Any) -> Any:
        return self.mp.floor(x)

    def round_half_even(self, x: Any) -> Any:
        if abs(x - self.mp.floor(x) - self.mp.mpf(0.5)) < (1 + abs(x)) * self.mp.mpf(10) ** (5 - self.digits):
            raise Unevaluable("a rounding that the sample does not decide")
        return self.mp.nint(x)

    def midpoint(self, low: Any, high: Any) -> Any:
        return (low + high) / 2

    def exact_midpoint(self, low: Any, high: Any, half: Any) -> Any:
        return (low + high) * half

    def integrate(self, integrand: Callable[[Any], Any], low: Any, high: Any) -> Any:
        pieces = max(2, int(self.mp.ceil((high - low) / 2)))
        return self.mp.quad(integrand, self.mp.linspace(low, high, pieces + 1), method="gauss-legendre")

    def widen(self, x: Any, bound: Any) -> Any:
        return x

    def agree(self, x: Any, y: Any) -> bool:
        return bool(abs(x - y) <= (1 + abs(x)) * self.mp.mpf(10) ** -40)

    def below(self, x: Any, y: Any) -> bool:
        """Whether one value is less than another by more than rounding."""
        return bool(x < y - abs(y) * self.mp.mpf(10) ** -40)

    def text(self, x: Any, digits: int = 20) -> str:
        return str(self.mp.nstr(x, digits))

    def settled(self, x: Any, before: Any, digits: int) -> bool:
        """Whether a value agrees with the one at the precision before."""
        return before is not None and bool(abs(x - before) <= abs(x) * self.mp.mpf(10) ** -(digits + 1))

    def vanishes(self, x: Any) -> bool:
        """Whether a value cannot be told from zero."""
        return bool(abs(x) < self.mp.mpf(10) ** -(self.digits // 2))


def arithmetic(digits: int = DIGITS) -> BallArithmetic | SampleArithmetic:
    """Ball arithmetic where python-flint is installed, else samples."""
    return SampleArithmetic(digits) if flint is None else BallArithmetic(digits)
