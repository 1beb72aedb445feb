"""The experiment `search-ui`: half of the users that log in take part, each in one variant for ever.

A user's inclination to check out, 0 to 2 and 1 on the mean, shows in its covariate: the visits it made before
the experiment. New users have none. Who was exposed to `treatment` checks out more often by `LIFT`.
"""

from __future__ import annotations

from streams.sources.market.simulation import Simulation
from streams.sources.market.towns import Town, User

EXPERIMENT, VARIANTS = "search-ui", ("control", "treatment")
TAKES_PART, NEW = 0.5, 0.15
LIFT = 0.10
VISITS_BEFORE, VISITS_NOISE = 6, 4
"""Visits before the experiment: so many for each unit of inclination, and up to so many by chance."""
CORRELATION = 0.30
"""Of the covariate and a user's checkouts, over users that visit once; a test holds it."""

# Which 16 bits of a user's nature say what.
_INCLINATION, _NOISE, _NEW, _VARIANT = 0, 16, 32, 48


def variant(user: User) -> str | None:
    """The user's variant; None if it takes no part."""
    drawn = user.trait(_VARIANT)
    return VARIANTS[int(drawn / TAKES_PART * 2)] if drawn < TAKES_PART else None


def covariate(user: User) -> int | None:
    """Visits of the user before the experiment; None if it is new."""
    if user.trait(_NEW) < NEW:
        return None
    return int(VISITS_BEFORE * inclination(user) + VISITS_NOISE * user.trait(_NOISE))


def inclination(user: User) -> float:
    """How much more often than on the mean the user checks out, without any treatment."""
    return 1.0 if user.trait(_NEW) < NEW else 2 * user.trait(_INCLINATION)


def expose(market: Simulation, town: Town, user: User, tail: str) -> None:
    """Expose a user that takes part, unless it was exposed before."""
    shown = variant(user)
    if shown is None or town.has_met(user):
        return
    town.meet(user)
    before = covariate(user)
    facts = f'"exp_key":"{EXPERIMENT}","variant":"{shown}","user_id":"{user.user_id}"'
    known = "null" if before is None else before
    market.emit("experiment.exposure", tail, user.user_id.encode(), f'{facts},"covariate":{known}')


def willingness(town: Town, user: User) -> float:
    """The user's inclination, with what the treatment adds if it was exposed to it."""
    treated = town.has_met(user) and variant(user) == VARIANTS[1]
    return inclination(user) * (1 + LIFT) if treated else inclination(user)
