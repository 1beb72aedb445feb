"""What is kept of the users of a variant: sums that are exact, so that users may be taken out again.

A covariate is a double, and so a whole number of some power of two. The sums are held as whole numbers of the
smallest such power that was seen: no order, split or merge of the users changes them, and a variance is as
exact for covariates near 10⁹ as for those near 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

Packed = list[int | str]
"""Moments as the feed has them; a number of more than 63 bits is decimal text."""

_PLAIN = 1 << 63


class User(NamedTuple):
    """What a user adds: covariate `x` (None if there is none), the metric `y`, what it is divided by (`z`: 1
    where the metric is no ratio), and whether the user was seen in another variant too.
    """

    x: float | None
    y: int
    z: int
    crossed: bool


class Moments:
    """Sums over users; those with a name of `x`, and `known`, `y_known`, `z_known` over users with a
    covariate.

    `x`, `xy` and `xz` are in units of 2^-`scale`, `xx` in units of 2^-2`scale`.
    """

    __slots__ = _FIELDS = (
        *("users", "crossed", "known", "scale", "x", "xx", "xy", "xz"),
        *("y", "yy", "z", "zz", "yz", "y_known", "z_known"),
    )

    users: int
    crossed: int
    known: int
    scale: int
    x: int
    xx: int
    xy: int
    xz: int
    y: int
    yy: int
    z: int
    zz: int
    yz: int
    y_known: int
    z_known: int

    def __init__(self, numbers: Iterable[int] = (0,) * 15) -> None:
        for name, number in zip(self._FIELDS, numbers, strict=True):
            setattr(self, name, number)

    def add(self, user: User, sign: int = 1) -> None:
        """Take a user in, or (`sign` -1) one out that was in."""
        x, y, z, crossed = user
        self.users += sign
        self.crossed += sign * crossed
        self.y += sign * y
        self.yy += sign * y * y
        self.z += sign * z
        self.zz += sign * z * z
        self.yz += sign * y * z
        if x is None:
            return
        numerator, denominator = x.as_integer_ratio()
        self._scaled(denominator.bit_length() - 1)
        whole = sign * (numerator << (self.scale + 1 - denominator.bit_length()))
        self.known += sign
        self.x += whole
        self.xx += sign * whole * whole
        self.xy += whole * y
        self.xz += whole * z
        self.y_known += sign * y
        self.z_known += sign * z

    def merge(self, other: Moments) -> None:
        """Take all users of another in."""
        self._scaled(other.scale)
        more = self.scale - other.scale
        for name in self._FIELDS:
            shift = {"scale": None, "x": more, "xy": more, "xz": more, "xx": 2 * more}.get(name, 0)
            if shift is not None:
                setattr(self, name, getattr(self, name) + (getattr(other, name) << shift))

    def _scaled(self, scale: int) -> None:
        """Make the unit small enough for a covariate."""
        more = scale - self.scale
        if more > 0:
            self.scale = scale
            self.x <<= more
            self.xy <<= more
            self.xz <<= more
            self.xx <<= 2 * more

    def real(self, whole: int, power: int = 1) -> Fraction:
        """A sum in units of 2^-(`power` · `scale`), as a number."""
        return Fraction(whole, 1 << (power * self.scale))

    def packed(self) -> Packed:
        """For the feed: in the largest unit, so that the same users are the same bytes."""
        spare = min(self.scale, *map(_twos, (self.x, self.xy, self.xz)), _twos(self.xx) // 2)
        self.scale -= spare
        self.x >>= spare
        self.xy >>= spare
        self.xz >>= spare
        self.xx >>= 2 * spare
        numbers = [getattr(self, name) for name in self._FIELDS]
        return [number if -_PLAIN < number < _PLAIN else str(number) for number in numbers]

    @classmethod
    def unpacked(cls, packed: Packed) -> Moments:
        """From the feed. Raises ValueError."""
        return cls(map(int, packed))


def _twos(number: int) -> int:
    """How often a number can be divided by two; without end for 0."""
    return (number & -number).bit_length() - 1 if number else _PLAIN
