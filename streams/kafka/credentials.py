"""Secrets by which we get in at Kafka, read for each connection, so that a change needs no restart.

None is kept where it could be printed: what aiokafka is given are these objects, whose `repr` says nothing.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from streams.text_file import TextFileError, small_text

TOKEN_SECONDS = 10.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750; a line end or \x01 would end the message early


class CredentialsError(KafkaError):  # type: ignore[misc]
    """We cannot prove who we are. Its one argument says why and which setting to look at; no secret."""


class PasswordFile:
    """The password of `SLUICE_KAFKA_PASSWORD_FILE`. `see`: which settings this is about, for people."""

    see = "SLUICE_KAFKA_USER and SLUICE_KAFKA_PASSWORD_FILE"

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """What is in the file now. Raises `CredentialsError`."""
        return secret_in(self._path, "SLUICE_KAFKA_PASSWORD_FILE")


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Bearer tokens that `make` returns; it may block, and raise whatever it likes. `see`: as above."""

    def __init__(self, see: str, make: Callable[[], Any]) -> None:
        self.see = see
        self._make = make

    async def token(self) -> str:
        """A token for one connection. Raises `CredentialsError`."""
        try:
            async with asyncio.timeout(TOKEN_SECONDS):
                token = await _in_thread(self._make)
        except CredentialsError:
            raise
        except TimeoutError:
            raise CredentialsError(f"{self.see} gave no token within {TOKEN_SECONDS:.0f} s") from None
        except Exception as error:  # noqa: BLE001 - it is somebody else's program
            raise CredentialsError(f"{self.see} failed: {raised(error)}") from None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise CredentialsError(f"{self.see} gave no bearer token, but {_described(token)}")
        return token


def secret_in(path: Path, variable: str) -> str:
    """The secret in the file of a setting. Raises `CredentialsError`."""
    try:
        secret = small_text(path).strip()
    except TextFileError as error:
        raise CredentialsError(f"{variable}: {error}") from None
    if not secret:
        raise CredentialsError(f"{variable}: {path}: is empty")
    return secret


async def _in_thread(make: Callable[[], Any]) -> Any:
    """Run it in a thread of its own, for which neither the event loop nor Python's exit waits."""
    answer: Future[Any] = Future()

    def run() -> None:
        answer.set_running_or_notify_cancel()
        try:
            answer.set_result(make())
        except BaseException as error:  # noqa: BLE001 - it is told to who has asked
            answer.set_exception(error)

    Thread(target=run, name="kafka-token", daemon=True).start()
    return await asyncio.wrap_future(answer)


def raised(error: BaseException) -> str:
    """What was raised, and where. Its text may have a secret in it, and is left out."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {at.filename}, line {at.lineno}"


def _described(token: Any) -> str:
    if not isinstance(token, str):
        return f"an object of type {type(token).__name__}"
    return "a text with other characters than a token has" if token else "an empty text"
