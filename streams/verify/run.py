"""Proves views: an answer is taken of the api, waited for in Bronze, and held against its SQL."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from agents.bronze.store import Store
from schemas.validation.validator import Validator
from streams.client import SluiceClient
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.producer import RefusedError
from streams.registry.schemas import Schemas
from streams.settings import Settings
from streams.store.urls import former_stores
from streams.verify.answer import Answer, UnfitAnswerError
from streams.verify.bronze_source import BronzeSource
from streams.verify.live import live_answer
from streams.verify.proof import Bench, Verdict, obstacle, prove
from streams.verify.ranges import BronzeBehindError, Progress
from streams.verify.records import RecordsError
from streams.verify.rules import Limits
from tables.spec.view import View


@dataclass(frozen=True)
class Taken:
    """`at`: when it was (monotonic)."""

    answer: Answer
    at: float


def bench_of(settings: Settings) -> Bench:
    """With what these settings have proofs done: they have to be as the views workers have them."""
    limits = Limits(settings.dedupe_seconds, settings.pane_hours, settings.closed_hours)
    return Bench(limits, settings.verify_memory_mb)


class BadReader:
    """Reads what bad records are of: in wire format it takes the schemas that workers have decided upon."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._validator: Validator | None = None

    async def validator(self) -> Validator:
        """It reads the log of schemas, where a registry is set."""
        if self._validator is None:
            schemas = Schemas(self._settings, final=True)
            await schemas.read()
            self._validator = Validator(self._settings.max_event_bytes, schemas.known)
        return self._validator


class Verifier:
    """Proves answers of one api over one Bronze. `told`: is told what is waited for."""

    def __init__(self, settings: Settings, client: SluiceClient, store: Store, told: Progress) -> None:
        self._client = client
        self._store = store
        self._former = former_stores(settings)
        self._told = told
        self._bench = bench_of(settings)
        self._bad = BadReader(settings)

    async def take(self, view: View, window: str) -> Taken | Verdict:
        """A view's answer of now, or the verdict that it cannot be proved. Raises `ApiError`."""
        try:
            answer = await asyncio.to_thread(live_answer, self._client, view, window)
        except UnfitAnswerError as error:
            return Verdict(view, None, notes=[str(error)])
        why = obstacle(answer)
        return Taken(answer, time.monotonic()) if why is None else Verdict(view, answer, notes=[why])

    async def prove(self, taken: Taken | Verdict, seconds: float) -> Verdict:
        """The verdict on it. `seconds`: how long Bronze has to get the answer's records, from when it was
        taken, and then how long to look at the view's own events.

        Whoever proves several takes all of them first: Bronze is then waited for once.

        Raises `StoreError`, `CorruptFileError`.
        """
        if isinstance(taken, Verdict):
            return taken
        answer = taken.answer
        view = answer.view
        bronze = BronzeSource(self._store, answer, self._bad.validator, self._former)
        try:
            await bronze.wait(seconds, self._told, taken.at)
            verdict = await prove(answer, bronze, self._bench, seconds, self._told)
        except (BronzeBehindError, RecordsError) as error:
            return Verdict(view, answer, notes=[str(error)])
        except (RefusedError, UnreadableBatchError) as error:
            return Verdict(view, answer, notes=[f"what Kafka has cannot be read: {error}"])
        except TimeoutError:
            return Verdict(view, answer, notes=[f"its records take longer than {seconds:g} s"])
        if answer.group_by != view.dimensions:
            verdict.notes.append("some groups are summed as _other (SLUICE_MAX_GROUPS): totals were compared")
        return verdict
