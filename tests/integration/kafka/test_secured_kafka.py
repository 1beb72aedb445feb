"""A secured Kafka: every client gets in with the right settings; with wrong ones it is said which."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.main import main
from tests.oracle.bad import padded
from tests.support.bronze_topic import covered
from tests.support.feed import FeedWatcher
from tests.support.kafka import running, wait_until
from tests.support.processes import Sluice
from tests.support.secured import PASSWORD, USER, SecuredKafka

CLOSES = "it closes the connection: is it Kafka, and SLUICE_KAFKA_SECURITY as it should be?"
LOGIN = "Invalid username or password): see SLUICE_KAFKA_USER and SLUICE_KAFKA_PASSWORD_FILE"
UNTRUSTED = "its certificate is not trusted (self-signed certificate): see SLUICE_KAFKA_CA_FILE"
ANOTHERS = "its certificate is another host's (Hostname mismatch, certificate is not valid for 'localhost')"
WRONG = {
    "plaintext against TLS": ("SSL", "PLAINTEXT", {}, CLOSES),
    "plaintext against SASL": ("SASL_PLAINTEXT", "PLAINTEXT", {}, CLOSES),
    "TLS against plaintext": ("PLAINTEXT", "SSL", {}, CLOSES),
    "TLS against TLS with SASL": ("SASL_SSL", "SSL", {}, CLOSES),
    "TLS with SASL against SASL": ("SASL_PLAINTEXT", "SASL_SSL", {}, CLOSES),
    "SASL against plaintext": (
        "PLAINTEXT", "SASL_PLAINTEXT", {}, "it asks for no authentication here: see SLUICE_KAFKA_SECURITY",
    ),
    "a wrong password": ("SASL_PLAINTEXT", "SASL_PLAINTEXT", {"password_file": "wrong"}, LOGIN),
    "a wrong password in TLS": ("SASL_SSL", "SASL_SSL", {"password_file": "wrong"}, LOGIN),
    "a wrong user": ("SASL_SSL", "SASL_SSL", {"user": "nobody"}, LOGIN),
    "another mechanism": (
        "SASL_PLAINTEXT", "SASL_PLAINTEXT", {"sasl_mechanism": "SCRAM-SHA-256"},
        "it does not authenticate in this way: see SLUICE_KAFKA_SASL_MECHANISM",
    ),
    "no CA": ("SSL", "SSL", {"ca_file": ""}, UNTRUSTED),
    "no CA with SASL": ("SASL_SSL", "SASL_SSL", {"ca_file": ""}, UNTRUSTED),
    "another host": ("SSL", "SSL", {"host": "localhost"}, f"{ANOTHERS}: see SLUICE_KAFKA"),
}  # fmt: skip
"""The listener, the client's protocol, what else is set, and what is said."""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    folder = tmp_path_factory.mktemp("secured")
    (folder / "right").write_text(PASSWORD)
    (folder / "wrong").write_text("not-the-password")
    yield from running(SecuredKafka(folder / "kafka"))


def settings_for(broker: SecuredKafka, listener: str, protocol: str, **other: str) -> dict[str, str]:
    """Settings with which a client of this protocol gets in at the listener of the same; `other`: changes."""
    found = {"kafka": broker.servers[listener], "kafka_security": protocol}
    if protocol.endswith("SSL"):
        found["kafka_ca_file"] = str(broker.ca_file)
    if protocol.startswith("SASL"):
        found |= {"kafka_user": USER, "kafka_password_file": "right"}
    found["kafka"] = found["kafka"].replace("127.0.0.1", other.pop("host", "127.0.0.1"))
    found |= {f"kafka_{name}": value for name, value in other.items()}
    if "kafka_password_file" in found:
        found["kafka_password_file"] = str(broker.folder.parent / found["kafka_password_file"])
    return found


def ask(settings: dict[str, str], *arguments: str, prefix: str = "") -> tuple[int, str]:
    """Exit code and output of a command that waits for two seconds."""
    environ = {f"SLUICE_{name.upper()}": value for name, value in settings.items()}
    environ |= {"SLUICE_PREFIX": prefix, "SLUICE_HTTP_PORT": "1"}
    done = CliRunner().invoke(main, [*arguments, "--timeout", "2"], env=environ)
    return done.exit_code, done.output


@pytest.mark.parametrize(("listener", "protocol", "other", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_time(
    secured: SecuredKafka, listener: str, protocol: str, other: dict[str, str], said: str
) -> None:
    settings = settings_for(secured, listener, protocol, **other)
    started = time.monotonic()
    code, output = ask(settings, "topics", "list")
    assert time.monotonic() - started < 20, "it would try for 60 s if it took this for Kafka's answer"
    server = settings["kafka"]
    start = f"sluice: Kafka at {server} does not answer (SLUICE_KAFKA says where it is): {server}: "
    assert output.splitlines()[-1].startswith(start), output
    assert output.splitlines()[-1].endswith(said)
    assert code == 1
    assert "password" not in output.replace("Invalid username or password", "")


@pytest.mark.parametrize("wrong", ["plaintext against SASL", "a wrong password", "no CA"])
@pytest.mark.parametrize(
    "command",
    [("topics", "create"), ("replay", "--force", __file__), ("simulate", "--count", "1"),
     ("quarantine", "list"), ("doctor",)],
    ids=lambda command: command[0],
)  # fmt: skip
def test_every_command_says_it(secured: SecuredKafka, command: tuple[str, ...], wrong: str) -> None:
    listener, protocol, other, said = WRONG[wrong]
    code, output = ask(settings_for(secured, listener, protocol, **other), *command)
    assert code == 1
    assert said in output
    assert "Traceback" not in output


@pytest.mark.parametrize("wrong", ["plaintext against SASL", "a wrong password", "no CA"])
async def test_a_worker_says_it_and_waits(secured: SecuredKafka, wrong: str, tmp_path: Path) -> None:
    listener, protocol, other, said = WRONG[wrong]
    settings = settings_for(secured, listener, protocol, **other)
    with Sluice(tmp_path, settings.pop("kafka"), "", **settings) as sluice:
        worker = sluice.worker()
        await worker.says("does not answer .*next try in")
        assert said in worker.output()
        assert await worker.terminate() == 0


@pytest.mark.parametrize("protocol", ["SSL", "SASL_PLAINTEXT"])
def test_the_right_settings_get_in(secured: SecuredKafka, protocol: str) -> None:
    code, output = ask(settings_for(secured, protocol, protocol), "topics", "list")
    assert (code, "sluice:" in output) == (0, False), output


async def test_all_roles_work_with_tls_and_sasl(secured: SecuredKafka, prefix: str, tmp_path: Path) -> None:
    settings = settings_for(secured, "SASL_SSL", "SASL_SSL")
    with Sluice(tmp_path, settings.pop("kafka"), prefix, partitions=1, **settings) as sluice:
        assert sluice.run("topics", "create").returncode == 0
        (tmp_path / "events.ndjson").write_bytes(padded(400, int(time.time() * 1000), event_id="a"))
        assert sluice.run("replay", "events.ndjson").returncode == 0
        roles = [sluice.role(role, "worker", role) for role in ("views", "bronze", "gates")]
        roles.append(sluice.role("api", "api"))
        for role in roles:
            role.start()
        # The watcher is no part of what is looked at: it comes in by the open listener.
        with Sluice(tmp_path, secured.bootstrap, prefix, partitions=1) as inside:
            async with FeedWatcher(inside.settings) as feed:
                await feed.caught_up()
                assert feed.folded() == 1
        store = sluice.store

        async def written() -> bool:
            return (await covered(store)).get(0, 0) == 1

        await wait_until(written, "Bronze to have it")
        for role in roles:
            await role.ready()
        for role in roles:
            assert await role.terminate() == 0, role.tail()
