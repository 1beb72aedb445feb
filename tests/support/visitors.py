"""Who asks the api, in tests."""

from __future__ import annotations

from collections.abc import Iterable

from streams.access.access import Visitor
from streams.feed.replica import Replica
from streams.http.answer.questions import Questions
from streams.http.routes.stream import Broadcasts
from tables.scope import Scope


class Analyst:
    """One whose cities, and whether they still may ask, can be set. As the api's `visitor_of`, it is who asks
    whatever is shown. `told_again`: a proxy names them, anew with each request."""

    def __init__(self, scope: Scope, name: str = "ana", *, told_again: bool = False) -> None:
        self.scope = scope
        self.lasts = True
        self.requests = 0
        self.visitor = Visitor(name, lambda: self.lasts, lambda: self.scope, told_again)

    def __call__(self, headers: Iterable[tuple[bytes, bytes]], address: str | None) -> Visitor:  # noqa: ARG002
        """Who asks."""
        self.requests += 1
        self.lasts = self.lasts or self.visitor.told_again
        return self.visitor


def broadcasts(replica: Replica) -> Broadcasts:
    """The streams of a replica."""
    return Broadcasts(replica, Questions(replica))
