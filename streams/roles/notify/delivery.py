"""One target: its own queue, its own task, its own pace, so that a slow one holds back nobody else."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import NamedTuple

import httpx

from agents.backoff import Backoff
from agents.notify.announcer import Mark, Notice
from streams import metrics
from streams.clock import SYSTEM_CLOCK, Clock
from streams.roles.notify.messages import batch_of, message
from streams.roles.notify.targets import Target

log = logging.getLogger(__name__)

MOST_PENDING = 1_000
"""Notices that wait for a target; for one more the oldest is given up."""
TRY_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 600.0
NEVER = frozenset({400, 413, 422})
"""Answers that no other try would change: the target does not take such a message."""
OUTCOMES = ("delivered", "failed", "given_up")


class _Pending(NamedTuple):
    notice: Notice
    until: float
    """When it is given up (monotonic clock, s)."""


class Delivery:
    """Posts notices to a target in their order, at least once each, or says that it gives one up.

    `give_up_seconds`: for how long after it came a notice is tried.
    """

    def __init__(
        self,
        target: Target,
        give_up_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
        first_pause_seconds: float | None = None,
    ) -> None:
        self.target = target
        self._give_up_seconds = give_up_seconds
        self._clock = clock
        self._backoff = Backoff(LONGEST_PAUSE_SECONDS, first_pause_seconds)
        self._pending: deque[_Pending] = deque()
        self._news = asyncio.Event()
        self._not_before = -math.inf
        self._why = "it could not be asked"
        for outcome in OUTCOMES:  # from 0 on: the increase of a series that begins at 1 is 0
            metrics.NOTIFY_POSTS.labels(target.name, outcome)
        metrics.NOTIFY_PENDING.labels(target.name).set(0)

    def put(self, notice: Notice) -> None:
        """Have it posted."""
        if len(self._pending) >= MOST_PENDING:
            self._give_up(1, f"{MOST_PENDING:,} others wait behind it")
        self._pending.append(_Pending(notice, self._clock.monotonic() + self._give_up_seconds))
        self._measure()
        self._news.set()

    @property
    def undone(self) -> set[Mark]:
        """The records of what is pending."""
        return {pending.notice.mark for pending in self._pending if pending.notice.mark is not None}

    async def run(self) -> None:
        """Post until cancelled."""
        async with httpx.AsyncClient(timeout=TRY_SECONDS, follow_redirects=False) as client:
            while True:
                await self._until_due()
                if self._pending and self._clock.monotonic() >= self._not_before:
                    await self._try(client, list(islice(self._pending, batch_of(self.target))))

    async def _until_due(self) -> None:
        """Return when something can be tried; what has been tried for too long meanwhile is given up."""
        while not self._pending:
            self._news.clear()
            await self._news.wait()
        now = self._clock.monotonic()
        await asyncio.sleep(max(0.0, min(self._not_before, self._pending[0].until) - now))
        now = self._clock.monotonic()
        late = sum(pending.until <= now for pending in self._pending)
        if late:
            self._give_up(late, f"{self._why}, for {self._give_up_seconds:g} s")

    async def _try(self, client: httpx.AsyncClient, batch: list[_Pending]) -> None:
        now_us = self._clock.wall_us()
        answer, why = await post(client, self.target, [pending.notice for pending in batch], now_us)
        name = self.target.name
        if why is None:
            metrics.NOTIFY_POSTS.labels(name, "delivered").inc(len(batch))
            self._backoff.reset()
            self._take(batch)
            return
        metrics.NOTIFY_POSTS.labels(name, "failed").inc()
        if answer is not None and answer.status_code in NEVER:
            self._give_up(len(batch), why)
            return
        pause = max(self._backoff.next_seconds(), _retry_after(answer, self._clock))
        self._not_before, self._why = self._clock.monotonic() + pause, why
        log.warning("telling %s of alarms: %s; next try in %.1f s", name, why, pause)

    def _take(self, batch: list[_Pending]) -> None:
        """They are no longer pending; what was given up meanwhile is not there any more."""
        gone = {id(pending.notice) for pending in batch}
        while self._pending and id(self._pending[0].notice) in gone:
            self._pending.popleft()
        self._measure()

    def _give_up(self, count: int, why: str) -> None:
        batch = list(islice(self._pending, count))
        metrics.NOTIFY_POSTS.labels(self.target.name, "given_up").inc(len(batch))
        for pending in batch:
            log.error(
                "%s was not told that alarm %s is %s: given up, as %s",
                *(self.target.name, pending.notice.alarm.alarm_id, pending.notice.change.value, why),
            )
        self._take(batch)

    def _measure(self) -> None:
        metrics.NOTIFY_PENDING.labels(self.target.name).set(len(self._pending))


async def post(
    client: httpx.AsyncClient, target: Target, notices: Sequence[Notice], now_us: int
) -> tuple[httpx.Response | None, str | None]:
    """One message: the answer, if there is one; and why it was not taken, without the URL: None: it was."""
    made = message(target, notices, now_us)
    try:
        async with (
            asyncio.timeout(TRY_SECONDS),
            client.stream("POST", target.url(), content=made.body, headers=dict(made.headers)) as answer,
        ):
            pass  # what it says besides is not read: it may be anything, and of any length
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # running out of time is an OSError
        return None, _in_words(error)
    return answer, None if answer.is_success else f"it answers {answer.status_code}"


def _in_words(error: Exception) -> str:
    """What went wrong; httpx's own text may have the URL, which may be a secret."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"no answer within {TRY_SECONDS:g} s"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return f"the connection failed ({type(error).__name__})"


def _retry_after(answer: httpx.Response | None, clock: Clock) -> float:
    """What the header Retry-After asks for, in seconds; it may be a number or a date."""
    text = "" if answer is None else answer.headers.get("retry-after", "")
    if text.isascii() and text.isdigit() and len(text) < 10:
        seconds = float(text)
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - clock.wall_us() / 1e6
        except (ValueError, OverflowError):
            return 0.0
    return min(max(0.0, math.ceil(seconds)), LONGEST_RETRY_AFTER_SECONDS)
