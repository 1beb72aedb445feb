"""Runs the processes that explain answers (streams/verify/child.py), one at a time.

The api's memory, and its answers to all others, do not depend on how many records such a process looks at.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import msgspec

from streams.access.access import EVERYONE, Visitor
from streams.settings import Settings, child_environment
from streams.store.local import LocalStore
from streams.store.urls import bronze_store
from streams.verify.question import MODULE, Question, Reply
from streams.verify.scratch import OF_EXPLANATIONS

MOST_WAITING = 4
"""So many questions wait for the one that is being answered."""


class ExplainBusyError(Exception):
    """Too many questions wait, or one of whoever asks."""


class ExplainError(Exception):
    """The question cannot be answered now. `str(error)` says why, and what to do."""


class Explainer:
    """Of one api."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()
        self._asking: list[Visitor] = []

    async def ask(self, question: Question, asking: Visitor) -> dict[str, Any]:
        """What an answer rests on. Raises `ExplainBusyError`, `ExplainError`."""
        self._check_bronze()
        with self._one_more(asking):
            async with self._turn:
                try:
                    async with asyncio.timeout(self._settings.explain_seconds):
                        reply = await _run(question)
                except TimeoutError:
                    raise ExplainError(
                        f"it takes longer than SLUICE_EXPLAIN_SECONDS ({self._settings.explain_seconds} s):"
                        " ask for a shorter window"
                    ) from None
        if reply.explained is None:
            raise ExplainError(reply.error or "it is not known why")
        return reply.explained

    def _check_bronze(self) -> None:
        store = bronze_store(self._settings)
        if isinstance(store, LocalStore) and not store.exists():
            raise ExplainError(
                f"there is no Bronze at {store}: has the api the SLUICE_BRONZE_URL of `sluice worker bronze`?"
            )

    @contextlib.contextmanager
    def _one_more(self, asking: Visitor) -> Iterator[None]:
        if asking is not EVERYONE and asking.analyst in {one.analyst for one in self._asking}:
            raise ExplainBusyError("one question like this of yours is not answered yet: ask this one then")
        if len(self._asking) > MOST_WAITING:
            raise ExplainBusyError(f"{MOST_WAITING} questions like this one wait for another")
        self._asking.append(asking)
        try:
            yield
        finally:
            self._asking.remove(asking)


async def _run(question: Question) -> Reply:
    """One process, which is gone when this ends, and what it left with it."""
    with tempfile.TemporaryDirectory(prefix=OF_EXPLANATIONS) as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", MODULE,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env=child_environment({"TMPDIR": folder}),
        )  # fmt: skip
        try:
            written, _ = await process.communicate(msgspec.json.encode(question))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        raise ExplainError(
            f"its process ended with {process.returncode}: it may need more memory than there is beside"
            f" SLUICE_VERIFY_MEMORY_MB, or more time than SLUICE_EXPLAIN_SECONDS; ask for a shorter window"
        )
    return msgspec.json.decode(written, type=Reply)
