"""What the marketplace remembers of a city: who was exposed to the experiment, and its campaign."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from streams.sources.market.cities import City

USERS = 50_000


class User(NamedTuple):
    """A user. `nature` is 64 bits that depend on nothing but the id: the same user is alike in every run."""

    number: int
    user_id: str
    nature: int

    def trait(self, shift: int) -> float:
        """One of four independent numbers in [0, 1): 16 bits of its nature, from bit `shift` on."""
        return (self.nature >> shift & 0xFFFF) / 0x10000


class Campaign:
    """A campaign under way: amounts in the minor unit of its city's currency."""

    __slots__ = ("budget_minor", "campaign_id", "click_minor", "left_minor")

    def __init__(self, campaign_id: str, budget_minor: int, click_minor: int) -> None:
        self.campaign_id = campaign_id
        self.budget_minor = self.left_minor = budget_minor
        self.click_minor = click_minor


class Town:
    """A city and its memory: a bit for each user and one campaign, however long the simulation runs."""

    __slots__ = ("_met", "campaign", "city")

    def __init__(self, city: City) -> None:
        self.city = city
        self.campaign: Campaign | None = None
        self._met: bytearray | None = None

    def user(self, number: int) -> User:
        """The user of this number, 0 to `USERS` - 1."""
        user_id = f"usr_{self.city.slug[:40]}_{number:06d}"
        return User(number, user_id, int.from_bytes(blake2b(user_id.encode(), digest_size=8).digest(), "big"))

    def has_met(self, user: User) -> bool:
        """Whether the user was exposed to the experiment."""
        return self._met is not None and bool(self._met[user.number >> 3] >> (user.number & 7) & 1)

    def meet(self, user: User) -> None:
        """Remember that the user was exposed."""
        if self._met is None:
            self._met = bytearray(USERS // 8 + 1)
        self._met[user.number >> 3] |= 1 << (user.number & 7)
