"""A secured Kafka: every client gets in with the right settings; with wrong ones it is said which."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.main import main
from streams.kafka.availability import why_away
from streams.settings import Settings
from tests.support.processes import Sluice
from tests.support.secured import SCRAMS, SecuredKafka, environ_of, no_secret_in

CLOSES = "it closes the connection: is it Kafka, and SLUICE_KAFKA_SECURITY as it should be?"
NO_SASL = "it asks for no authentication here: see SLUICE_KAFKA_SECURITY"
NO_MECHANISM = "it does not authenticate in this way: see SLUICE_KAFKA_SASL_MECHANISM"
LOGIN = "Invalid username or password): see SLUICE_KAFKA_USER and SLUICE_KAFKA_PASSWORD_FILE"
SCRAM_LOGIN = "with SASL mechanism {}): see SLUICE_KAFKA_USER and SLUICE_KAFKA_PASSWORD_FILE"
UNTRUSTED = (
    "its certificate is not trusted (unable to get local issuer certificate): see SLUICE_KAFKA_CA_FILE"
)
TOKEN = 'authentication failed ({"status":"invalid_token"}): see SLUICE_KAFKA_TOKEN_FILE'
WRONG: dict[str, tuple[str, dict[str, str], str]] = {
    "plaintext against TLS": ("SSL", {"security": "PLAINTEXT"}, CLOSES),
    "plaintext against SASL": ("SASL_PLAINTEXT", {"security": "PLAINTEXT"}, CLOSES),
    "TLS against plaintext": ("PLAINTEXT", {"security": "SSL"}, CLOSES),
    "TLS against TLS with SASL": ("SASL_SSL", {"security": "SSL"}, CLOSES),
    "TLS with SASL against SASL": ("SASL_PLAINTEXT", {"security": "SASL_SSL"}, CLOSES),
    "SASL against plaintext": ("PLAINTEXT", {"security": "SASL_PLAINTEXT"}, NO_SASL),
    "a wrong password": ("SASL_PLAINTEXT", {"password_file": "wrong"}, LOGIN),
    "a wrong password in TLS": ("SASL_SSL", {"password_file": "wrong"}, LOGIN),
    "a wrong user": ("SASL_SSL", {"user": "nobody"}, LOGIN),
    **{
        f"{mechanism}, wrong {what}": (
            "SASL_SSL", {**changes, "sasl_mechanism": mechanism}, SCRAM_LOGIN.format(mechanism),
        )
        for what, changes in (("password", {"password_file": "wrong"}), ("user", {"user": "nobody"}))
        for mechanism in SCRAMS
    },
    "no password": (
        "SASL_SSL", {"password_file": "empty", "sasl_mechanism": SCRAMS[0]}, "empty: is empty",
    ),
    "another mechanism": ("SASL_PLAINTEXT", {"sasl_mechanism": "SCRAM-SHA-256"}, NO_MECHANISM),
    "no CA": ("SSL", {"ca_file": ""}, UNTRUSTED),
    "no CA with SASL": ("SASL_SSL", {"ca_file": ""}, UNTRUSTED),
    "no certificate": (
        "MTLS", {"cert_file": ""}, "it asks for our certificate: set SLUICE_KAFKA_CERT_FILE",
    ),
    "another authority's certificate": (
        "MTLS", {"cert_file": "unknown.pem"},
        "it does not take our certificate (certificate unknown): see SLUICE_KAFKA_CERT_FILE",
    ),
    "an expired certificate": (
        "MTLS", {"cert_file": "expired.pem"},
        "it does not take our certificate (it expired at 2024-02-29T12:00:00Z): see SLUICE_KAFKA_CERT_FILE",
    ),
    "an expired token": ("SASL_SSL", {"sasl_mechanism": "OAUTHBEARER", "token_file": "expired"}, TOKEN),
    "another's token": ("SASL_SSL", {"sasl_mechanism": "OAUTHBEARER", "token_file": "forged"}, TOKEN),
    "a token for others": ("SASL_SSL", {"sasl_mechanism": "OAUTHBEARER", "token_file": "elsewhere"}, TOKEN),
    "no token": (
        "SASL_SSL", {"sasl_mechanism": "OAUTHBEARER", "token_file": "empty"}, "empty: is empty",
    ),
    "a text that is no token": (
        "SASL_SSL", {"sasl_mechanism": "OAUTHBEARER", "token_file": "two-lines"},
        "SLUICE_KAFKA_TOKEN_FILE gave no bearer token, but a text with other characters than a token has",
    ),
}  # fmt: skip
"""The listener, what is not as it should be there, and what is said."""
RIGHT: dict[str, tuple[str, dict[str, str]]] = {
    "TLS": ("SSL", {}),
    "a certificate": ("MTLS", {}),
    "PLAIN": ("SASL_PLAINTEXT", {}),
    "PLAIN in TLS": ("SASL_SSL", {}),
    "SCRAM-SHA-256": ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-256"}),
    "SCRAM-SHA-512": ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-512"}),
    "a token": ("SASL_SSL", {"sasl_mechanism": "OAUTHBEARER", "token_file": "token"}),
}


def ask(settings: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command that waits for two seconds."""
    env = {**environ_of(settings), "SLUICE_HTTP_PORT": "1"}
    done = CliRunner().invoke(main, [*arguments, "--timeout", "2"], env=env)
    return done.exit_code, done.output


@pytest.mark.parametrize(("listener", "changes", "said"), WRONG.values(), ids=WRONG)
async def test_it_is_known_what_is_wrong(
    secured: SecuredKafka, listener: str, changes: dict[str, str], said: str
) -> None:
    found = await why_away(Settings.load(environ_of(secured.entrance(listener, **changes))), 20.0)
    assert found is not None
    assert found.startswith(f"{secured.servers[listener]}: ")
    assert found.endswith(said)
    assert no_secret_in(secured, found)


@pytest.mark.parametrize("wrong", ["TLS against plaintext", "an expired certificate", "an expired token"])
def test_it_is_said_in_time(secured: SecuredKafka, wrong: str) -> None:
    listener, changes, said = WRONG[wrong]
    started = time.monotonic()
    code, output = ask(secured.entrance(listener, **changes), "topics", "list")
    assert time.monotonic() - started < 20, "it would try for 60 s if it took this for Kafka's answer"
    server = secured.servers[listener]
    start = f"sluice: Kafka at {server} does not answer (SLUICE_KAFKA says where it is): {server}: "
    assert output.splitlines()[-1].startswith(start), output
    assert output.splitlines()[-1].endswith(said)
    assert code == 1


async def test_a_certificate_of_another_host_is_seen(secured: SecuredKafka) -> None:
    settings = secured.entrance("SSL")
    by_name = {**settings, "kafka": settings["kafka"].replace("127.0.0.1", "localhost")}
    found = await why_away(Settings.load(environ_of(by_name)), 20.0)
    said = "its certificate is another host's (Hostname mismatch, certificate is not valid for 'localhost')"
    assert found == f"{by_name['kafka']}: {said}: see SLUICE_KAFKA"


@pytest.mark.parametrize("wrong", ["plaintext against SASL", "a wrong password"])
@pytest.mark.parametrize(
    "command",
    [("topics", "create"), ("replay", "--force", __file__), ("simulate", "--count", "1"),
     ("quarantine", "list"), ("doctor",)],
    ids=lambda command: command[0],
)  # fmt: skip
def test_every_command_says_it(secured: SecuredKafka, command: tuple[str, ...], wrong: str) -> None:
    listener, changes, said = WRONG[wrong]
    code, output = ask(secured.entrance(listener, **changes), *command)
    assert code == 1
    assert said in output
    assert "Traceback" not in output


@pytest.mark.parametrize("wrong", ["an expired certificate", "a wrong password", "an expired token"])
async def test_a_worker_says_it_and_waits(secured: SecuredKafka, wrong: str, tmp_path: Path) -> None:
    listener, changes, said = WRONG[wrong]
    settings = secured.entrance(listener, **changes)
    with Sluice(tmp_path, settings.pop("kafka"), "", **settings, log_level="DEBUG") as sluice:
        worker = sluice.worker()
        await worker.says("does not answer .*next try in")
        assert json.dumps(said)[1:-1] in worker.output()
        assert await worker.terminate() == 0
        assert no_secret_in(secured, worker.output())


@pytest.mark.parametrize(("listener", "changes"), RIGHT.values(), ids=RIGHT)
def test_the_right_settings_get_in(secured: SecuredKafka, listener: str, changes: dict[str, str]) -> None:
    code, output = ask(secured.entrance(listener, **changes), "topics", "list")
    assert (code, "sluice:" in output) == (0, False), output
    assert no_secret_in(secured, output)
