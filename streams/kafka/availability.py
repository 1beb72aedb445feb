"""Why Kafka does not answer, and waiting for it: without end for a client, or up to a time-out.

aiokafka raises `KafkaConnectionError` for every cause, and gives the reason only in its own log. Each server
is therefore asked again, separately, as aiokafka does it: name, connection, TLS, greeting, authentication,
metadata.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from agents.backoff import Backoff
from streams.kafka.client import client_kwargs, started_admin
from streams.kafka.connection import Connection
from streams.kafka.credentials import CredentialsError
from streams.kafka.refusals import refusal
from streams.kafka.tls import out_of_date
from streams.plain_text import plain
from streams.settings import Settings

T = TypeVar("T")

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
WATCH_SECONDS = 0.5
DEFAULT_SECONDS = 10.0
"""How long commands wait for Kafka, unless --timeout says otherwise."""

_CLOSED = "it closes the connection: is it Kafka, and SLUICE_KAFKA_SECURITY as it should be?"
_PLAIN: dict[type[BaseException], str] = {
    socket.gaierror: "host not found",
    ConnectionRefusedError: "connection refused",
    TimeoutError: "timed out",
    KafkaConnectionError: _CLOSED,
    ConnectionError: _CLOSED,
    IllegalSaslStateError: "it asks for no authentication here: see SLUICE_KAFKA_SECURITY",
    UnsupportedSaslMechanismError: "it does not authenticate in this way: see SLUICE_KAFKA_SASL_MECHANISM",
    AuthenticationMethodNotSupported: "it does not authenticate in this way: see SLUICE_KAFKA_SASL_MECHANISM",
}
_OF_CERTIFICATE = re.compile("ALERT_.*(CERTIFICATE|UNKNOWN_CA)")
_OTHER_HOST = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


class KafkaAwayError(Exception):
    """Kafka did not answer within the time-out; `str()` states where, and why."""


def reason(error: BaseException) -> str:
    """What a connection error means, for people."""
    plainly = str(error.args[0]) if isinstance(error, CredentialsError) else refusal(error)
    if plainly is not None:
        return plainly
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _OTHER_HOST:
        return f"its certificate is another host's ({error.verify_message.rstrip('.')}): see SLUICE_KAFKA"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}): see SLUICE_KAFKA_CA_FILE"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or error}): see SLUICE_KAFKA_SECURITY"
    for kind, said in _PLAIN.items():
        if isinstance(error, kind):
            return said
    return _of_several(error) if isinstance(error, OSError) else f"{type(error).__name__}: {plain(error)}"


def _of_several(error: OSError) -> str:
    """An OSError's text; a host with several addresses has one with the texts of all of them."""
    said = str(error)
    if "[Errno 111]" in said or "[Errno 61]" in said:
        return "connection refused"
    return (error.strerror or said).lower()


async def why_away(settings: Settings, seconds: float = LOOK_SECONDS) -> str | None:
    """Which servers do not answer, and why; None as soon as one does."""
    found = await asyncio.gather(*(_look(settings, server, seconds) for server in settings.kafka))
    if None in found:
        return None
    return "; ".join(f"{server}: {why}" for server, why in zip(settings.kafka, found, strict=True))


async def _look(settings: Settings, server: str, seconds: float) -> str | None:
    host, _, port = server.rpartition(":")
    kwargs = client_kwargs(settings)
    del kwargs["bootstrap_servers"]
    connection = Connection(host.strip("[]"), int(port), **kwargs)
    try:
        async with asyncio.timeout(seconds):
            await connection.connect()
            await connection.send(MetadataRequest([]))  # authentication happens before that
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        return _refused_certificate(settings, error) or reason(error)
    finally:
        await connection.closed(LOOK_SECONDS)
    return None


def _refused_certificate(settings: Settings, error: BaseException) -> str | None:
    """A broker that asks for our certificate says so after the handshake, when aiokafka already reads."""
    alert = error if isinstance(error, ssl.SSLError) else error.__cause__
    if not isinstance(alert, ssl.SSLError) or not _OF_CERTIFICATE.search(alert.reason or ""):
        return None
    if settings.kafka_cert_file is None:
        return "it asks for our certificate: set SLUICE_KAFKA_CERT_FILE"
    why = out_of_date(settings) or alert.reason.rpartition("ALERT_")[2].replace("_", " ").lower()
    return f"it does not take our certificate ({why}): see SLUICE_KAFKA_CERT_FILE"


async def reason_of(settings: Settings, error: BaseException) -> str:
    """Why a client failed: what its servers answer, if it could not reach them."""
    if isinstance(error, KafkaConnectionError | OSError):
        return await why_away(settings) or reason(error)
    return reason(error)


@asynccontextmanager
async def connected_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client. Waits with back-off while Kafka is unavailable, one log line per attempt."""
    admin = await _connect(settings)
    try:
        yield admin
    finally:
        await admin.close()


async def _connect(settings: Settings) -> AIOKafkaAdminClient:
    backoff = Backoff()
    while True:
        try:
            return await started_admin(settings)
        except (KafkaError, OSError) as error:
            log.warning(
                "Kafka at %s does not answer (%s); next try in %.1f s (SLUICE_KAFKA says where it is)",
                ",".join(settings.kafka),
                await reason_of(settings, error),
                backoff.seconds,
            )
            await backoff.pause()


def away(settings: Settings, why: str) -> str:
    """The message for people."""
    return f"Kafka at {','.join(settings.kafka)} does not answer (SLUICE_KAFKA says where it is): {why}"


async def while_it_answers(
    settings: Settings, question: Coroutine[Any, Any, T], seconds: float, longest: float | None = None
) -> T:
    """The request's result. Kafka may be silent for `seconds`; the whole request may take `longest` seconds.

    Raises `KafkaAwayError`, and what the request raises.
    """
    task = asyncio.ensure_future(question)
    started = heard = time.monotonic()
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=min(WATCH_SECONDS, seconds / 2))
            if done:
                return await task
            why = await why_away(settings, min(LOOK_SECONDS, seconds))
            now = time.monotonic()
            if why is None:
                heard = now
            elif now - heard >= seconds and not task.done():
                raise KafkaAwayError(away(settings, why))
            if longest is not None and now - started >= longest and not task.done():
                where = ",".join(settings.kafka)
                raise KafkaAwayError(f"Kafka at {where} answers, but it was not done within {longest:.0f} s")
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=LOOK_SECONDS)
