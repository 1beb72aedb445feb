"""`sluice health` asks what really listens: a worker's server, the api, ingest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams import health as health_server
from streams.health import Health
from streams.settings import child_environment
from tests.support.api_process import api_process
from tests.support.certificates import Authority
from tests.support.s3 import free_port


def asked(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """The command as a container runs it."""
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "health", *arguments],
        env=child_environment({f"SLUICE_{name.upper()}": str(value) for name, value in settings.items()}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def worker() -> Iterator[tuple[Health, int]]:
    """A worker's own server, and its port."""
    health = Health()
    server = health_server.serve("127.0.0.1", 0, health)
    yield health, server.server_port
    server.shutdown()
    server.server_close()


def test_a_worker_is_healthy_before_it_is_ready(worker: tuple[Health, int]) -> None:
    health, port = worker
    assert asked("worker", metrics_port=port).returncode == 0
    health.waiting_for = "Kafka at nowhere:9092"
    waits = asked("worker", "--ready", metrics_port=port)
    assert waits.returncode == 1
    assert "answers 503: waiting for Kafka at nowhere:9092" in waits.stderr
    health.waiting_for = None
    assert asked("worker", "--ready", metrics_port=port, metrics_host="0.0.0.0").stdout.endswith(
        "200: ready\n"
    )


def test_without_a_role_the_one_that_listens_is_asked(worker: tuple[Health, int]) -> None:
    _, port = worker
    silent = free_port()
    done = asked(metrics_port=silent, http_port=port, ingest_port=free_port())
    assert (done.returncode, done.stdout) == (0, f"api: http://127.0.0.1:{port}/healthz answers 200: ok\n")
    none = asked(metrics_port=silent, http_port=0, ingest_port=0)
    assert none.returncode == 1
    assert none.stderr.startswith(f"sluice: worker: http://127.0.0.1:{silent}/healthz does not answer")
    told = asked("worker", "--json", metrics_port=silent)
    assert told.returncode == 1
    (one,) = json.loads(told.stdout)["asked"]
    assert (one["role"], one["status"]) == ("worker", None)
    assert "refused" in one["said"]


def test_the_api_is_asked_by_tls_and_believed_by_its_own_certificate(tmp_path: Path) -> None:
    mine, other = tmp_path / "server.pem", tmp_path / "other.pem"
    mine.write_bytes(Authority(tmp_path / "ca.pem").server())
    other.write_bytes(Authority(tmp_path / "other-ca.pem").server())
    with api_process(tmp_path, http_tls_cert=str(mine)) as api:
        assert asked("api", http_port=api.port, http_tls_cert=mine).returncode == 0
        stranger = asked("api", http_port=api.port, http_tls_cert=other)
    assert stranger.returncode == 1
    assert "certificate verify failed" in stranger.stderr


def test_a_port_that_nobody_can_know_is_refused_by_name() -> None:
    done = asked("ingest", ingest_port=0)
    assert done.returncode == 2
    assert done.stderr.startswith("sluice: SLUICE_INGEST_PORT='0' is not allowed")


def test_a_certificate_that_is_none_is_said(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("nothing")
    done = asked("api", http_tls_cert=file)
    assert done.returncode == 1
    assert f"SLUICE_HTTP_TLS_CERT={file}" in done.stderr
