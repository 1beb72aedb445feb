"""Asking the api over HTTP."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self
from urllib.parse import quote

import httpx

from streams.client.configured import token_of, trust_of, url_of
from streams.settings import Settings

TIMEOUT_SECONDS = 10.0


class ApiError(Exception):
    """The api does not answer, or not as it should. `str(error)` is one line."""


class ApiAwayError(ApiError):
    """Nobody answers at its address."""


class ApiRefusalError(ApiError):
    """The api will not answer this question: an unknown view or a wrong parameter."""


class ApiClient:
    """Asks one api. `url` is its root, without a slash at the end; `token`: what says who asks; `trust`: whom
    to believe that it is the api, this machine's authorities if it is not given.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
        token: str | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._how: dict[str, Any] = {
            "timeout": timeout_seconds,
            "verify": trust or ssl.create_default_context(),  # not httpx's own list
            "follow_redirects": True,
            "headers": {"authorization": f"Bearer {token}"} if token else {},
        }
        self._send: Callable[..., httpx.Response] = partial(httpx.get, **self._how)

    @classmethod
    def of(cls, settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS, url: str | None = None) -> Self:
        """The api at `url`, without one the api that these settings start. Raises `SettingError`."""
        return cls(url or url_of(settings), timeout_seconds, token_of(settings), trust_of(settings))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Ask over one connection until this ends, then over one each time again."""
        each_time = self._send
        with httpx.Client(**self._how) as client:
            self._send = client.get
            try:
                yield
            finally:
                self._send = each_time

    def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON answer of GET `path`. Raises `ApiRefusalError` (400, 404) or another `ApiError`."""
        status, body = self._get(path, parameters)
        if status == 200:
            return json.loads(body)
        said = _problem(body)
        if status in (400, 404):
            raise ApiRefusalError(said)
        if status in (401, 403):
            raise ApiError(f"{said}: SLUICE_API_TOKEN_FILE says as whom commands ask")
        raise ApiError(f"the api at {self.url} answered {status}: {said}")

    def ready(self) -> tuple[bool, str]:
        """Whether it is ready, and what it said. Raises `ApiError`."""
        status, body = self._get("/readyz", ())
        return status == 200, _problem(body)

    def _get(self, path: str, parameters: Sequence[tuple[str, str]]) -> tuple[int, bytes]:
        if not self.url.startswith(("http://", "https://")):
            raise ApiError(f"{self.url} is not an api's URL: it must begin with http:// or https://")
        try:
            answer = self._send(self.url + quote(path), params=list(parameters))
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ApiError(f"{self.url} is not an api's URL: {error}") from None
        except (ImportError, ValueError) as error:  # a proxy of the environment that httpx does not know
            raise ApiError(f"the api at {self.url} cannot be asked: {error}") from None
        except httpx.RequestError as error:
            mend = "start it with `sluice api`, or give --api URL"
            raise ApiAwayError(f"the api at {self.url} does not answer ({error}): {mend}") from None
        return answer.status_code, answer.content


def _problem(body: bytes) -> str:
    """What an error's answer says, in one line: its RFC 9457 detail, or its text."""
    text = body.decode(errors="replace").strip()
    try:
        said = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:500]
    if not isinstance(said, dict):
        return text
    detail = str(said.get("detail") or said.get("title") or said.get("status") or text)
    there = said.get("views") or said.get("gates")
    return f"{detail}; there are: {', '.join(map(str, there))}" if isinstance(there, list) else detail
