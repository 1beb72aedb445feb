"""The values of an experiment view's records in the feed: a user's state, and an experiment's sums."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tables.experiments.moments import Moments, Packed
from tables.keys import FeedFormatError


class Exposed(msgspec.Struct, array_like=True, gc=False):
    """A user's first exposure to an experiment, in µs, with the covariate it had.

    `y`, `z`: what counts of the user and is no longer among `UserState.events`; `crossed`: whether another
    variant was seen too.
    """

    experiment: str
    variant: str
    first_us: int
    covariate: float | None
    y: int = 0
    z: int = 0
    crossed: bool = False

    @property
    def place(self) -> tuple[int, str, bool, float]:
        """Of two exposures to an experiment that with the lesser place counts."""
        return self.first_us, self.variant, self.covariate is None, self.covariate or 0.0


class UserState(msgspec.Struct, array_like=True, gc=False):
    """A user: the metric's events, in order, as (µs, what each adds to y, and to z if it is a ratio)."""

    events: list[tuple[int, ...]]
    exposed: list[Exposed]


class _Packed(msgspec.Struct, array_like=True, gc=False):
    """A user as the feed has it: an event that adds 1 to y alone is its time."""

    events: list[int | tuple[int, ...]]
    exposed: list[Exposed]


class _Sums(msgspec.Struct, array_like=True, gc=False):
    """An experiment's sums by variant, with its newest exposure and since when it is, in µs."""

    since_us: int
    newest_us: int
    variants: dict[str, Packed]


_user = msgspec.msgpack.Decoder(_Packed)
_sums = msgspec.msgpack.Decoder(_Sums)
_encode = msgspec.msgpack.Encoder().encode


def encode_user(user: UserState) -> bytes:
    """A user's state, in no more memory than it needs."""
    events = [one[0] if one[1:] == (1,) else one for one in user.events]
    exposed = [
        one if one.y or one.z or one.crossed
        else (one.experiment, one.variant, one.first_us, one.covariate)
        for one in user.exposed
    ]  # fmt: skip
    return bytes(memoryview(_encode((events, exposed))))  # the encoder's own have room behind them


def decode_user(value: bytes) -> UserState:
    """A user's state. Raises `FeedFormatError`."""
    try:
        packed = _user.decode(value)
    except (msgspec.MsgspecError, ValueError) as error:
        raise FeedFormatError(f"a user's record of the feed is damaged ({error})") from None
    events = [(one, 1) if isinstance(one, int) else one for one in packed.events]
    return UserState(events, packed.exposed)


def encode_experiment(since_us: int, newest_us: int, variants: Mapping[str, Moments]) -> bytes:
    """An experiment's sums on one source partition."""
    packed = {variant: sums.packed() for variant, sums in sorted(variants.items())}
    return _encode(_Sums(since_us, newest_us, packed))


def decode_experiment(value: bytes) -> tuple[int, int, dict[str, Moments]]:
    """Since when it is, its newest exposure, and its sums by variant. Raises `FeedFormatError`."""
    try:
        sums = _sums.decode(value)
        variants = {variant: Moments.unpacked(packed) for variant, packed in sums.variants.items()}
    except (msgspec.MsgspecError, ValueError) as error:
        raise FeedFormatError(f"an experiment's record of the feed is damaged ({error})") from None
    return sums.since_us, sums.newest_us, variants
