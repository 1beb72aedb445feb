"""Credentials that change while clients run: sessions are renewed by them, and new connections made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka.availability import why_away
from streams.kafka.client import client_kwargs
from streams.kafka.connection import Connection
from streams.kafka.credentials import CredentialsError
from streams.settings import Settings
from tests.oracle.bad import padded
from tests.support.bronze_topic import covered
from tests.support.feed import FeedWatcher
from tests.support.kafka import wait_until
from tests.support.processes import Sluice
from tests.support.secured import PASSWORD, USER, SecuredKafka, environ_of, no_secret_in

TOKEN_SECONDS = 10
BY_TOKEN = {"sasl_mechanism": "OAUTHBEARER", "token_file": "short"}
BY_PASSWORD = {"sasl_mechanism": "SCRAM-SHA-256"}


def short_token(broker: SecuredKafka) -> None:
    """One of three to four seconds: its end is a whole second."""
    broker.file("short", broker.token(USER, exp=int(time.time()) + 4))


def connection_of(broker: SecuredKafka, **changes: str) -> Connection:
    settings = Settings.load(environ_of(broker.entrance("SASL_SSL", **changes)))
    kwargs = client_kwargs(settings)
    host, _, port = kwargs.pop("bootstrap_servers")[0].rpartition(":")
    return Connection(host, int(port), **kwargs)


class Counted:
    """What proves who we are, with how often it was asked for it."""

    def __init__(self, connection: Connection, before: Any = lambda: None) -> None:
        self.asked = 0
        for name in ("authenticator_scram", "authenticator_oauth"):
            setattr(connection, name, self._counting(getattr(connection, name), before))

    def _counting(self, ask: Any, before: Any) -> Any:
        def counting() -> Any:
            self.asked += 1
            before()
            return ask()

        return counting


@pytest.mark.parametrize("changes", [BY_TOKEN, BY_PASSWORD], ids=["token", "password"])
async def test_a_session_is_renewed_before_it_ends(secured: SecuredKafka, changes: dict[str, str]) -> None:
    short_token(secured)
    connection = connection_of(secured, **changes)
    counted = Counted(connection, lambda: short_token(secured))
    try:
        await connection.connect()

        async def goes_on() -> bool:
            answers = await asyncio.gather(*(connection.send(MetadataRequest([])) for _ in range(20)))
            return len(answers) == 20 and counted.asked > 2

        await wait_until(goes_on, "two more sessions")
        assert connection.connected()
    finally:
        await connection.closed(5.0)


async def test_a_session_that_cannot_be_renewed_ends(
    secured: SecuredKafka, caplog: pytest.LogCaptureFixture
) -> None:
    short_token(secured)
    connection = connection_of(secured, **BY_TOKEN)
    counted = Counted(connection)
    await connection.connect()
    await wait_until(lambda: counted.asked >= 2 and not connection.connected(), "the end of the session")
    said = 'authentication failed ({"status":"invalid_token"}): see SLUICE_KAFKA_TOKEN_FILE'
    assert said in caplog.text
    assert no_secret_in(secured, caplog.text)
    with pytest.raises(KafkaError):
        await connection.send(MetadataRequest([]))
    await connection.closed(5.0)


async def test_a_session_that_we_end_while_it_is_renewed_is_no_failure(
    secured: SecuredKafka, caplog: pytest.LogCaptureFixture
) -> None:
    short_token(secured)
    connection = connection_of(secured, **BY_TOKEN)

    def end() -> None:
        if connection.connected() and connection._renewing is not None:
            connection.close(CloseReason.SHUTDOWN)

    counted = Counted(connection, end)
    await connection.connect()
    await wait_until(lambda: counted.asked >= 2 and connection._renewing is None, "the end of the renewal")
    assert not connection.connected()
    assert caplog.text == ""
    await connection.closed(5.0)


async def test_a_new_password_counts_for_the_next_connection(secured: SecuredKafka) -> None:
    secured.file("changing", "not-the-password-yet")
    for text, gets_in in (("not-yet", False), (PASSWORD, True), ("no-more", False)):
        connection = connection_of(secured, password_file="changing")
        secured.file("changing", text)
        try:
            await connection.connect()
            assert gets_in
        except CredentialsError:
            assert not gets_in
        finally:
            await connection.closed(5.0)


async def test_so_does_a_new_certificate(secured: SecuredKafka) -> None:
    secured.file("renewed.pem", (secured.folder / "expired.pem").read_bytes())
    settings = Settings.load(environ_of(secured.entrance("MTLS", cert_file="renewed.pem")))
    assert "it expired at 2024-02-29T12:00:00Z" in (await why_away(settings, 20.0) or "")
    secured.file("renewed.pem", b"".join(secured.authority.client(USER)))
    assert await why_away(settings, 20.0) is None


async def test_while_its_file_is_wrong_the_former_one_counts(
    secured: SecuredKafka, caplog: pytest.LogCaptureFixture
) -> None:
    secured.file("torn.pem", b"".join(secured.authority.client(USER)))
    settings = Settings.load(environ_of(secured.entrance("MTLS", cert_file="torn.pem")))
    assert await why_away(settings, 20.0) is None
    secured.file("torn.pem", secured.authority.client(USER)[0])
    assert await why_away(settings, 20.0) is None
    assert await why_away(settings, 20.0) is None
    (said,) = [record.getMessage() for record in caplog.records if record.name == "streams.kafka.tls"]
    assert said.startswith("SLUICE_KAFKA_KEY_FILE='' is not allowed")


@contextmanager
def renewed_tokens(broker: SecuredKafka) -> Iterator[list[int]]:
    """Tokens in the file `short`, each replaced in time; yields the moments of that."""
    made: list[int] = []

    async def renew() -> None:
        while True:
            made.append(int(time.time()))
            broker.file("short", broker.token(USER, exp=made[-1] + TOKEN_SECONDS))
            await asyncio.sleep(1)

    task = asyncio.get_running_loop().create_task(renew())
    try:
        yield made
    finally:
        task.cancel()


async def test_all_roles_outlive_their_tokens(secured: SecuredKafka, prefix: str, tmp_path: Path) -> None:
    with renewed_tokens(secured) as made:
        await wait_until(lambda: made, "a token")
        settings = secured.entrance("SASL_SSL", **BY_TOKEN)
        with Sluice(tmp_path, settings.pop("kafka"), prefix, partitions=1, **settings) as sluice:
            assert (await asyncio.to_thread(sluice.run, "topics", "create")).returncode == 0
            roles = [sluice.started(role, "worker", role) for role in ("views", "bronze", "gates")]
            roles.append(sluice.api())
            for role in roles:
                await role.ready()
            expired = made[-1] + TOKEN_SECONDS
            await wait_until(lambda: made[-1] > expired, "the tokens of all connections to expire")
            await events_pass(sluice, secured)
            for role in roles:
                assert await role.terminate() == 0, role.tail()
                assert "Connection at" not in role.output(), "a broker closes one whose session has ended"
                assert no_secret_in(secured, role.output())


async def events_pass(sluice: Sluice, secured: SecuredKafka) -> None:
    """An event is sent, and gets into the feed and into Bronze."""
    (sluice.folder / "events.ndjson").write_bytes(padded(400, int(time.time() * 1000), event_id="a"))
    assert (await asyncio.to_thread(sluice.run, "replay", "events.ndjson")).returncode == 0
    # The watcher is no part of what is looked at: it comes in by the open listener.
    with Sluice(sluice.folder, secured.bootstrap, sluice.settings.prefix, partitions=1) as inside:
        async with FeedWatcher(inside.settings) as feed:
            await feed.caught_up()
            assert feed.folded() == 1

    async def written() -> bool:
        return (await covered(sluice.store)).get(0, 0) == 1

    await wait_until(written, "Bronze to have it")
