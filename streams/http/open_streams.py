"""How many streams are open, in all and by analyst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from streams import metrics
from streams.access.access import ANYONE, Visitor
from streams.settings import Settings


class TooManyStreamsError(Exception):
    """One more is not possible. `str(error)` says which setting bounds them."""


class OpenStreams:
    """The streams of one api."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.http_streams
        self._most_each = settings.http_analyst_streams
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, visitor: Visitor) -> Iterator[None]:
        """While a stream of theirs is open. Raises `TooManyStreamsError`."""
        analyst = visitor.analyst
        if self._open.total() >= self._most:
            raise TooManyStreamsError(f"{self._most:,} streams are open already (SLUICE_HTTP_STREAMS)")
        if analyst != ANYONE and self._open[analyst] >= self._most_each:
            raise TooManyStreamsError(
                f"you have {self._most_each:,} streams open already (SLUICE_HTTP_ANALYST_STREAMS)"
            )
        self._open[analyst] += 1
        metrics.HTTP_STREAMS.set(self._open.total())
        try:
            yield
        finally:
            self._open[analyst] -= 1
            if not self._open[analyst]:
                del self._open[analyst]
            metrics.HTTP_STREAMS.set(self._open.total())
