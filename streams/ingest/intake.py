"""From a request to its answer: who, how much, what, and whether Kafka has it.

Nothing is accepted before Kafka has acknowledged it, and nothing invalid is sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from schemas.validation.validator import Validator
from streams import metrics
from streams.ingest.answers import TOO_LARGE, RefusedRequestError, answer, counts, refusal
from streams.ingest.bodies import Budget, Holding, body_of
from streams.ingest.clients import Client, Clients
from streams.ingest.content import values_of
from streams.ingest.delivery import Delivery, NotDeliveredError
from streams.settings import Settings
from streams.sources.mappings.csv_rows import Delimiter
from streams.sources.mappings.mapping import Mapping, Refused
from streams.sources.mappings.verdicts import Accepted, Sendable, Verdict, verdicts

AT_ONCE = 256
"""So many values are judged before others get their turn."""

log = logging.getLogger(__name__)


class Origin(NamedTuple):
    """Where values are posted: the route as metrics have it, what maps them, and whether CSV is taken."""

    route: str
    mapping: Mapping
    delimiter: Delimiter | None = None


class Intake:
    """What all routes share."""

    def __init__(self, settings: Settings, delivery: Delivery, clients: Clients) -> None:
        self.delivery = delivery
        self._settings = settings
        self._clients = clients
        self._validator = Validator(settings.max_event_bytes)
        self._budget = Budget(settings.ingest_inflight_bytes)

    async def post(self, request: Request, origin: Origin) -> Response:
        """Answer a request of a client with a token."""
        try:
            client = self._client(request)
            with self.held() as holding:
                body = await self.body(request, holding)
                mapping, values = values_of(request.headers, body, origin.mapping, origin.delimiter)
                self._clients.take(client, len(values))
                del body
                found = await self.take(origin.route, mapping, values, holding)
        except RefusedRequestError as error:
            return counted(origin.route, refusal(error))
        return counted(origin.route, answer(found))

    def held(self) -> AbstractContextManager[Holding]:
        """What a request holds of what may be held at a time."""
        return self._budget.held()

    async def body(self, request: Request, holding: Holding) -> bytes:
        """The body of a request, if it can be delivered at all. Raises `RefusedRequestError`."""
        if self.delivery.waiting_for is not None:
            detail = f"waiting for {self.delivery.waiting_for}: send it again"
            raise RefusedRequestError(503, detail, retry_after=1)
        return await body_of(request, self._settings.ingest_body_bytes, holding)

    def _client(self, request: Request) -> Client:
        client = self._clients.of(request.headers.get("authorization"))
        if client is None:
            detail = "Authorization must be Bearer and one of the tokens of SLUICE_INGEST_TOKENS_FILE"
            raise RefusedRequestError(401, detail, www_authenticate='Bearer realm="sluice"')
        wait_seconds = self._clients.wait_seconds(client)
        if wait_seconds:
            detail = (
                f"{client.name} has sent more than its {client.rate:g} events a second: send it again later"
            )
            raise RefusedRequestError(429, detail, retry_after=wait_seconds)
        return client

    async def take(
        self, route: str, mapping: Mapping, values: Sequence[bytes], holding: Holding
    ) -> list[Verdict]:
        """Judge values, send what is good, and return when Kafka has it. Raises `RefusedRequestError`."""
        found: list[Verdict] = []
        sent: list[asyncio.Future[frozenset[int]]] = []
        started = time.monotonic()
        try:
            for start in range(0, len(values), AT_ONCE):
                if start:
                    await asyncio.sleep(0)
                now_ms = time.time_ns() // 1_000_000
                judged = verdicts(mapping, values[start : start + AT_ONCE], self._validator, now_ms)
                found += judged
                sent += self.delivery.add([event for verdict in judged for event in _events(verdict)])
            too_large = await self._acknowledged(sent)
        except NotDeliveredError as error:
            raise _unknown(str(error)) from None
        except TimeoutError:
            seconds = self._settings.ingest_wait_seconds
            raise _unknown(f"Kafka has not acknowledged all of it within {seconds:g} s") from None
        finally:
            _hand_on(holding, sent)
        if sent:
            metrics.INGEST_ACKNOWLEDGED.observe(time.monotonic() - started)
        if too_large:
            found = [_too_large(verdict, too_large) for verdict in found]
        _count(route, found)
        return found

    async def _acknowledged(self, sent: Sequence[asyncio.Future[frozenset[int]]]) -> frozenset[int]:
        """Return when Kafka has acknowledged all; those that were too large. Raises TimeoutError,
        `NotDeliveredError`."""
        if not sent:
            return frozenset()
        done, waiting = await asyncio.wait(set(sent), timeout=self._settings.ingest_wait_seconds)
        if waiting:
            raise TimeoutError
        return frozenset().union(*(one.result() for one in done))


def _events(verdict: Verdict) -> tuple[Sendable, ...]:
    return verdict.events if isinstance(verdict, Accepted) else ()


def _unknown(why: str) -> RefusedRequestError:
    """Part of it may be in Kafka: sent again with the same event_ids, it counts once."""
    detail = f"{why}: send all of it again, with the same event_ids, by which it counts once"
    return RefusedRequestError(503, detail, retry_after=1)


def _too_large(verdict: Verdict, too_large: frozenset[int]) -> Verdict:
    is_too_large = isinstance(verdict, Accepted) and any(id(event) in too_large for event in verdict.events)
    return TOO_LARGE if is_too_large else verdict


def _hand_on(holding: Holding, sent: Sequence[asyncio.Future[frozenset[int]]]) -> None:
    """What is still under way counts until Kafka has answered, whether somebody waits for that or not."""
    waiting = {one for one in sent if not one.done()}
    if not waiting:
        return
    holding.handed_on = True

    def done(one: asyncio.Future[frozenset[int]]) -> None:
        waiting.discard(one)
        if not waiting:
            holding.give_back()

    for one in tuple(waiting):
        one.add_done_callback(done)


def _count(route: str, found: Sequence[Verdict]) -> None:
    for verdict, count in counts(found).items():
        if count:
            metrics.INGEST_EVENTS.labels(route, verdict).inc(count)
    for one in found:
        if isinstance(one, Refused):
            metrics.INGEST_REFUSED.labels(one.code, one.reason).inc()


def counted(route: str, response: Response) -> Response:
    """The response, once it is counted."""
    metrics.INGEST_REQUESTS.labels(route, str(response.status_code)).inc()
    return response
