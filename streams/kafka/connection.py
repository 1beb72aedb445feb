"""aiokafka's connection, with three things that it lacks.

Credentials are read whenever they are needed; aiokafka keeps a password for as long as a client lives. A
refused bearer token is noticed; aiokafka takes any answer to one for success, and the server then seems to
close the connection. And it authenticates again before its session ends (KIP-368), with the requests of
others held back meanwhile; a broker closes a connection at the first request after the end, which is the
token's, or that of the broker's connections.max.reauth.ms.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable
from typing import Any

from aiokafka import conn as aiokafka_conn
from aiokafka.conn import CloseReason
from aiokafka.errors import AuthenticationFailedError, SaslAuthenticationFailed
from aiokafka.protocol.admin import SaslAuthenticateRequest, SaslHandShakeRequest

from streams.kafka.credentials import CredentialsError, PasswordFile, Tokens
from streams.plain_text import plain

SESSION_SHARE = 0.85
"""Of a session that passes before we authenticate again. Kafka's own clients wait for 0.85 to 0.95 of it."""
LEAST_SECONDS = 1.1
"""Brokers refuse who authenticates again within a second."""
BY_US = (None, CloseReason.IDLE_DROP, CloseReason.SHUTDOWN)
"""Why a connection is closed with which nothing is wrong."""

log = logging.getLogger(__name__)


class Connection(aiokafka_conn.AIOKafkaConnection):  # type: ignore[misc]
    """A connection whose password is a `PasswordFile`, and whose token provider is a `Tokens`."""

    _session_ms = 0
    _timer: asyncio.TimerHandle | None = None
    _renewing: asyncio.Task[None] | None = None

    def send(self, request: Any, expect_response: bool = True) -> Awaitable[Any]:
        """The answer to a request; one that comes while we authenticate again is sent after that."""
        if isinstance(request, SaslAuthenticateRequest):
            return self._send_secret(request)
        if self._renewing is not None and not isinstance(request, SaslHandShakeRequest):
            return self._send_after(self._renewing, request, expect_response)
        answer: Awaitable[Any] = super().send(request, expect_response)
        return answer

    async def _send_secret(self, request: SaslAuthenticateRequest) -> Any:
        answer = await super().send(request)
        self._session_ms = getattr(answer, "session_lifetime_ms", 0)
        return answer

    async def _send_after(self, renewing: asyncio.Task[None], request: Any, expect_response: bool) -> Any:
        await asyncio.wait([renewing])
        return await super().send(request, expect_response)

    async def _do_sasl_handshake(self) -> None:
        try:
            await super()._do_sasl_handshake()
        except (AuthenticationFailedError, SaslAuthenticationFailed) as error:
            said = plain(error.args[0] if error.args else "without a word")
            raise CredentialsError(f"authentication failed ({said}): see {self._credentials.see}") from None
        if self._session_ms > 0:
            seconds = max(LEAST_SECONDS, SESSION_SHARE * self._session_ms / 1000)
            self._timer = self._loop.call_later(seconds, _authenticate_again, weakref.ref(self))

    async def renew(self) -> None:
        """Authenticate again; without success the connection is closed, as the broker would."""
        try:
            await self._do_sasl_handshake()
        except Exception as error:  # noqa: BLE001 - whatever it is, the session ends
            log.warning("authenticating again at %s:%d: %s", self._host, self._port, error)
            self.close(CloseReason.AUTH_FAILURE, error)
        finally:
            self._renewing = None

    def close(self, reason: Any = None, exc: BaseException | None = None) -> Any:
        """aiokafka's, and no more authenticating."""
        if self._timer is not None:
            self._timer.cancel()
        if self._renewing is not None and reason in BY_US:
            self._renewing.cancel()  # that it fails now is no news
        return super().close(reason, exc)

    async def closed(self, seconds: float) -> None:
        """Close it, and wait for so long until the other side has seen that: TLS ends by an exchange."""
        self.close()
        if self._protocol is not None:
            await asyncio.wait([self._closed_fut], timeout=seconds)

    @property
    def _credentials(self) -> PasswordFile | Tokens:
        found: PasswordFile | Tokens = self._sasl_plain_password or self._sasl_oauth_token_provider
        return found

    def authenticator_plain(self) -> Any:
        """aiokafka's, with the password of now."""
        return aiokafka_conn.SaslPlainAuthenticator(
            loop=self._loop,
            sasl_plain_username=self._sasl_plain_username,
            sasl_plain_password=self._sasl_plain_password.read(),
        )

    def authenticator_scram(self) -> Any:
        """aiokafka's, with the password of now."""
        return aiokafka_conn.ScramAuthenticator(
            loop=self._loop,
            sasl_plain_username=self._sasl_plain_username,
            sasl_plain_password=self._sasl_plain_password.read(),
            sasl_mechanism=self._sasl_mechanism,
        )

    def authenticator_oauth(self) -> _BearerAuthenticator:
        """One that is told of a refusal."""
        return _BearerAuthenticator(self._sasl_oauth_token_provider)


def _authenticate_again(reference: weakref.ref[Connection]) -> None:
    connection = reference()
    if connection is not None and connection.connected():
        connection._renewing = asyncio.create_task(connection.renew())


class _BearerAuthenticator:
    """RFC 7628: a refusal comes as a challenge; once it is acknowledged, the server says so by an error."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def step(self, challenge: bytes | None) -> tuple[bytes, bool] | None:
        """What to send, and that an answer to it is expected; None: we are in."""
        if challenge is None:
            return f"n,,\x01auth=Bearer {await self._tokens.token()}\x01\x01".encode(), True
        return (b"\x01", True) if challenge else None


# The only place: aiokafka's clients make their connections by a function that looks here for the class.
aiokafka_conn.AIOKafkaConnection = Connection
