"""Where bearer tokens for OAUTHBEARER come from: a file, a function, MSK's IAM."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any

from streams.kafka.credentials import Tokens, raised, secret_in
from streams.kafka.msk import msk_signer
from streams.setting_groups.kafka_security import MSK_IAM
from streams.settings import SettingError, Settings

KEPT_SHARE = 0.8
"""Of a token's time to live, as Kafka's own clients have it."""
_PROVIDER = "SLUICE_KAFKA_TOKEN_PROVIDER"


def tokens_of(settings: Settings) -> Tokens:
    """Where bearer tokens come from. Raises `SettingError`."""
    if settings.kafka_sasl == MSK_IAM:
        return Tokens("AWS's credentials", msk_signer(settings.kafka))
    if path := settings.kafka_token_file:
        variable = "SLUICE_KAFKA_TOKEN_FILE"
        return Tokens(variable, lambda: secret_in(path, variable))
    return _provider(settings.kafka_token_provider)


@lru_cache(maxsize=8)
def _provider(name: str) -> Tokens:
    """One for all clients of a process."""
    module_name, _, function = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise SettingError(_PROVIDER, name, f"in a module that can be imported ({error})") from None
    except Exception as error:  # noqa: BLE001 - it is somebody else's program
        raise SettingError(_PROVIDER, name, f"in a module that can be imported ({raised(error)})") from None
    make = getattr(module, function, None)
    if not callable(make):
        raise SettingError(_PROVIDER, name, f"a function: {module_name} has none of that name")
    return Tokens(f"{_PROVIDER}={name}", _Kept(make))


class _Kept:
    """A function's token for most of its time to live, if it is a JWT that says how long that is."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = Lock()  # not asyncio's: a worker has two event loops
        self._token: Any = None
        self._until = 0.0

    def __call__(self) -> Any:
        with self._lock:
            if time.time() >= self._until:
                self._token = self._make()
                self._until = _kept_until(self._token, time.time())
            return self._token


def _kept_until(token: Any, now: float) -> float:
    import jwt  # noqa: PLC0415 - it takes a moment

    try:
        expires = float(jwt.decode(token, options={"verify_signature": False})["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return now
    return now + KEPT_SHARE * (expires - now)
