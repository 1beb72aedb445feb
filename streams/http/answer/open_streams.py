"""How many questions streams follow, in all and by analyst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from streams import metrics
from streams.access.access import EVERYONE, Visitor
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
    def opened(self, visitor: Visitor, questions: int = 1) -> Iterator[None]:
        """While a stream of theirs is open, which counts as often as it has questions.
        Raises `TooManyStreamsError`."""
        analyst = visitor.analyst
        if self._open.total() + questions > self._most:
            raise TooManyStreamsError(
                f"streams may follow {self._most:,} questions in all (SLUICE_HTTP_STREAMS): try later"
            )
        if visitor is not EVERYONE and self._open[analyst] + questions > self._most_each:
            raise TooManyStreamsError(
                f"your streams may follow {self._most_each:,} questions (SLUICE_HTTP_ANALYST_STREAMS)"
            )
        self._open[analyst] += questions
        metrics.HTTP_STREAMS.set(self._open.total())
        try:
            yield
        finally:
            self._open[analyst] -= questions
            if not self._open[analyst]:
                del self._open[analyst]
            metrics.HTTP_STREAMS.set(self._open.total())
