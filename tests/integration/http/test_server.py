"""The api's process: TLS, tokens that are taken back, and connections that keep it waiting."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from streams.cli.main import main
from tests.support.api_process import RunningApi, api_process
from tests.support.certificates import Authority
from tests.support.kafka import wait_until
from tests.support.patience import PATIENCE

ANA, BEN = "ana-token", "ben-token"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def connected(api: RunningApi) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", api.port), timeout=20 * PATIENCE)
    made.settimeout(30 * PATIENCE)
    return made


def closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it, now."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.setblocking(True)


def received(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


# --- TLS ----------------------------------------------------------------------------------------------------


def test_it_serves_tls_and_the_commands_ask_by_it(tmp_path: Path) -> None:
    ca, pem = tmp_path / "ca.pem", tmp_path / "api.pem"
    pem.write_bytes(Authority(ca).server())
    with api_process(tmp_path, http_tls_cert=str(pem)) as api:
        assert api.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(ca))
        answer = httpx.get(f"{api.url}/healthz", verify=trust)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert "max-age" in answer.headers["strict-transport-security"]
        environ = {"SLUICE_HTTP_TLS_CERT": str(pem), "SLUICE_HTTP_PORT": str(api.port)}
        done = CliRunner().invoke(main, ["views"], env={**environ, "SLUICE_API_CA_FILE": str(ca)})
        assert done.exit_code == 0, done.output
        assert "kpi_gmv" in done.output
        done = CliRunner().invoke(main, ["views"], env=environ)
        assert done.exit_code == 1
        assert "certificate verify failed" in done.output
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(ca)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{api.url}/healthz", verify=old)


async def test_a_handshake_that_is_not_made_is_not_waited_for(tmp_path: Path) -> None:
    pem = tmp_path / "api.pem"
    pem.write_bytes(Authority(tmp_path / "ca.pem").server())
    with api_process(tmp_path, http_tls_cert=str(pem)) as api, connected(api) as silent:
        await wait_until(lambda: closed(silent), "its end, in less than asyncio's minute", seconds=10)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"http_tls_key": "key"}, "SLUICE_HTTP_TLS_CERT='' is not allowed: it must be set with"),
        ({"http_tls_cert": "key"}, "SLUICE_HTTP_TLS_CERT="),
        ({"http_host": "0.0.0.0"}, "while SLUICE_AUTH=off"),
        (
            {"auth": "tokens"},
            "SLUICE_CITY_SCOPE_FILE='' is not allowed: it must be set with SLUICE_AUTH=tokens",
        ),
        ({"auth": "tokens", "city_scope_file": "scopes"}, "SLUICE_TOKENS_FILE="),
        (
            {"auth": "tokens", "city_scope_file": "scopes", "tokens_file": "key"},
            "key, line 1: must be analyst,",
        ),
        ({"auth": "proxy", "city_scope_file": "scopes"}, "SLUICE_PROXY_ADDRESSES="),
        ({"auth": "jwt", "city_scope_file": "scopes"}, "SLUICE_JWKS_FILE="),
        (
            {"auth": "jwt", "city_scope_file": "scopes", "jwks_url": "http://127.0.0.1:1/"},
            "SLUICE_JWT_AUDIENCE=",
        ),
        (
            {"auth": "jwt", "city_scope_file": "scopes", "jwks_file": "key", "jwt_audience": "a"},
            "key: is no JSON",
        ),
        (
            {
                "auth": "jwt",
                "city_scope_file": "scopes",
                "jwks_url": "https://id.example/",
                "jwt_audience": "a",
                "jwks_ca_file": "key",
            },
            "SLUICE_JWKS_CA_FILE=",
        ),
        ({"auth": "jwt", "jwt_algorithms": "HS256"}, "SLUICE_JWT_ALGORITHMS='HS256' is not allowed"),
        ({"auth": "jwt", "jwt_algorithms": "none"}, "SLUICE_JWT_ALGORITHMS='none' is not allowed"),
        ({"auth": "basic"}, "off or tokens or jwt or proxy"),
    ],
)
def test_settings_that_do_not_go_together_are_named(
    tmp_path: Path, settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key").write_text("-----BEGIN NOTHING-----\n")
    Path("scopes").write_text("ana,london\n")
    environ = {f"SLUICE_{name.upper()}": value for name, value in settings.items()}
    done = CliRunner().invoke(main, ["api"], env=environ)
    assert done.exit_code == 2, done.output
    assert said in done.output


# --- tokens -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def api_of_analysts(tmp_path: Path) -> Iterator[RunningApi]:
    (tmp_path / "tokens").write_text(f"ana,{digest(ANA)}\nben,{digest(BEN)}\n")
    (tmp_path / "scopes").write_text("ana,london\nben,*\n")
    files = {"tokens_file": str(tmp_path / "tokens"), "city_scope_file": str(tmp_path / "scopes")}
    with api_process(tmp_path, auth="tokens", http_host="0.0.0.0", stream_seconds="60", **files) as api:
        yield api


async def test_a_token_that_is_taken_back_ends_its_streams_and_no_others(tmp_path: Path) -> None:
    with api_of_analysts(tmp_path) as api:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{api.port}", timeout=30 * PATIENCE
        ) as client:
            path = "/v1/stream/kpi_gmv"
            as_ana, as_ben = ({"authorization": f"Bearer {token}"} for token in (ANA, BEN))
            async with (
                client.stream("GET", path, headers=as_ana) as ana,
                client.stream("GET", path, headers=as_ben) as ben,
            ):
                to_ana, to_ben = ana.aiter_lines(), ben.aiter_lines()
                assert (await anext(to_ana)).startswith("id: ")
                assert (await anext(to_ben)).startswith("id: ")
                (tmp_path / "tokens").write_text(f"ben,{digest(BEN)}\n")
                rest = [line async for line in to_ana]
                assert "event: error" in rest
                assert json.loads(rest[-2].removeprefix("data: "))["detail"]
                assert (await client.get("/v1/views", headers=as_ana)).status_code == 401
                assert (await client.get("/v1/views", headers=as_ben)).status_code == 200
        log = api.log.read_text()
        assert ANA not in log
        assert BEN not in log
        assert '"analyst": "ana"' in log


# --- connections --------------------------------------------------------------------------------------------


async def test_connections_that_say_nothing_make_room_for_others(tmp_path: Path) -> None:
    with api_process(tmp_path, http_connections="20") as api, contextlib.ExitStack() as held:
        idle = [held.enter_context(connected(api)) for _ in range(60)]
        async with httpx.AsyncClient(base_url=api.url, timeout=30 * PATIENCE) as client:
            for path in ("/metrics", "/healthz", "/metrics"):
                assert (await client.get(path)).status_code == 200
        await wait_until(lambda: sum(map(closed, idle)) >= 40, "room")
        streaming = held.enter_context(connected(api))
        streaming.sendall(b"GET /v1/stream/kpi_gmv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert streaming.recv(15) == b"HTTP/1.1 200 OK"
        idle = [held.enter_context(connected(api)) for _ in range(40)]
        await wait_until(lambda: sum(map(closed, idle)) >= 20, "room")
        assert not closed(streaming), "what is being answered stays"


async def test_a_request_that_comes_too_slowly_is_not_waited_for(tmp_path: Path) -> None:
    with (
        api_process(tmp_path) as api,
        connected(api) as slow,
        connected(api) as again,
        connected(api) as idle,
    ):
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        for connection in (again, idle):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            read = b""
            while not read.endswith(b'{"status":"ok"}'):
                read += connection.recv(1000)

        def another_byte() -> bool:
            for connection in (slow, again):
                with contextlib.suppress(ConnectionError):
                    connection.sendall(b"x")
            return closed(slow) and closed(again)

        await wait_until(another_byte, "the end of what comes byte by byte")
        assert not closed(idle), "it may ask again"


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /v1/views?city=" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /v1/views HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"GET /v1/views HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 100_000 + b"\r\n",
        b"\x16\x03\x01" + b"\x00" * 300_000,
        b"GET  HTTP/9\r\n\r\n",
    ],
    ids=["query", "header", "headers", "TLS", "nonsense"],
)
def test_what_is_too_long_or_no_http_is_refused(tmp_path: Path, request_text: bytes) -> None:
    with api_process(tmp_path) as api:
        with connected(api) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(request_text)
            assert received(connection)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 414", b"")
        assert httpx.get(f"{api.url}/healthz", timeout=30 * PATIENCE).status_code == 200
        assert "Traceback" not in api.log.read_text()
