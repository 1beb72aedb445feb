"""Bearer tokens: from a file, from a function that is not ours; and no secret in what is said of errors."""

from __future__ import annotations

import asyncio
import importlib
import threading
from pathlib import Path
from types import ModuleType

import jwt
import pytest

from streams.kafka import credentials, tokens
from streams.kafka.credentials import CredentialsError, PasswordFile
from streams.settings import SettingError, Settings

SECRET = "eyJzZWNyZXQ.no-one-may-see-this.x"
PROVIDERS = f"""
import threading, time, jwt

calls, gate = [], threading.Event()
SECRET = {SECRET!r}

def opaque(): calls.append(threading.current_thread().name); return SECRET
def of_an_hour(): calls.append(1); return jwt.encode({{"exp": time.time() + 3600, "n": len(calls)}}, "k" * 32)
def of_a_moment(): calls.append(1); return jwt.encode({{"exp": time.time() - 1, "n": len(calls)}}, "k" * 32)
def fails(): raise ValueError("cannot renew " + SECRET)
def gives_bytes(): return SECRET.encode()
def gives_nothing(): return ""
def gives_lines(): return SECRET + "\\n"
def hangs(): gate.wait(60); return SECRET
not_a_function = SECRET
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """One with these functions, of the test's own."""
    name = f"tokens_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(PROVIDERS)
    (tmp_path / "broken_tokens.py").write_text(f"raise RuntimeError({SECRET!r})")
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(name)


def by(function: str, module: str) -> Settings:
    return Settings.load({
        "SLUICE_KAFKA_SECURITY": "SASL_SSL", "SLUICE_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "SLUICE_KAFKA_TOKEN_PROVIDER": f"{module}:{function}",
    })  # fmt: skip


async def test_a_function_is_called_in_a_thread_for_each_connection(module: ModuleType) -> None:
    source = tokens.tokens_of(by("opaque", module.__name__))
    assert [await source.token(), await source.token()] == [SECRET, SECRET]
    assert module.calls == ["kafka-token", "kafka-token"]


@pytest.mark.parametrize(("function", "calls"), [("of_an_hour", 1), ("of_a_moment", 5)])
async def test_a_token_that_says_when_it_expires_is_kept_for_all_connections(
    module: ModuleType, function: str, calls: int
) -> None:
    sources = [tokens.tokens_of(by(function, module.__name__)) for _ in range(5)]
    found = await asyncio.gather(*(source.token() for source in sources))
    assert len(set(found)) == len(module.calls) == calls


def test_it_is_kept_for_most_of_its_time() -> None:
    token = jwt.encode({"exp": 2000}, "k" * 32)
    assert tokens._kept_until(token, 1000) == 1800
    for other in ("opaque", None, jwt.encode({"exp": "soon"}, "k" * 32), jwt.encode({}, "k" * 32)):
        assert tokens._kept_until(other, 1000) == 1000


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("fails", "failed: ValueError in "),
        ("gives_bytes", "gave no bearer token, but an object of type bytes"),
        ("gives_nothing", "gave no bearer token, but an empty text"),
        ("gives_lines", "gave no bearer token, but a text with other characters than a token has"),
    ],
)
async def test_what_goes_wrong_is_named_without_the_token(
    module: ModuleType, function: str, said: str
) -> None:
    with pytest.raises(CredentialsError) as raised:
        await tokens.tokens_of(by(function, module.__name__)).token()
    (text,) = raised.value.args
    assert text.startswith(f"SLUICE_KAFKA_TOKEN_PROVIDER={module.__name__}:{function} {said}")
    assert "no-one-may-see-this" not in f"{text} {raised.getrepr(showlocals=False, chain=True)}"
    if function == "fails":
        line = PROVIDERS.splitlines().index('def fails(): raise ValueError("cannot renew " + SECRET)') + 1
        assert text.endswith(f"{module.__name__}.py, line {line}")


async def test_one_that_hangs_is_given_up(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "TOKEN_SECONDS", 0.05)
    with pytest.raises(CredentialsError, match=r"gave no token within 0 s"):
        await tokens.tokens_of(by("hangs", module.__name__)).token()
    (thread,) = [one for one in threading.enumerate() if one.name == "kafka-token"]
    assert thread.daemon, "Python's exit would wait for it"
    module.gate.set()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("named", "function", "said"),
    [
        ("no_such_module", "f", "No module named 'no_such_module'"),
        ("broken_tokens", "f", "RuntimeError in "),
        ("", "no_such_function", "has none of that name"),
        ("", "not_a_function", "a function: "),
    ],
)
def test_a_function_that_is_none_is_a_wrong_setting(
    module: ModuleType, named: str, function: str, said: str
) -> None:
    with pytest.raises(SettingError, match="SLUICE_KAFKA_TOKEN_PROVIDER=") as raised:
        tokens.tokens_of(by(function, named or module.__name__))
    assert said in str(raised.value)
    assert "no-one-may-see-this" not in str(raised.value)


async def test_a_file_is_read_for_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    settings = Settings.load({
        "SLUICE_KAFKA_SECURITY": "SASL_SSL", "SLUICE_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "SLUICE_KAFKA_TOKEN_FILE": str(file),
    })  # fmt: skip
    source = tokens.tokens_of(settings)
    assert await source.token() == "first"
    file.write_text("second")
    assert await source.token() == "second"
    file.unlink()
    with pytest.raises(CredentialsError, match=r"SLUICE_KAFKA_TOKEN_FILE: .*: cannot be read"):
        await source.token()


def test_a_password_is_not_in_what_aiokafka_is_given(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("no-one-may-see-this \n")
    password = PasswordFile(file)
    assert password.read() == "no-one-may-see-this"
    assert "no-one-may-see-this" not in repr(password) + str(vars(password))
    file.write_bytes(b"\xff")
    with pytest.raises(CredentialsError, match=r"SLUICE_KAFKA_PASSWORD_FILE: .* no text in UTF-8"):
        password.read()
