"""Asking over HTTP: who asks, whom to trust, what an error says."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from streams.client.errors import ApiAwayError, ApiError, ApiRefusalError

TIMEOUT_SECONDS = 10.0
REFUSALS = (400, 401, 403, 404, 409, 415, 429)

Params = Sequence[tuple[str, str]]


class Transport:
    """One api. `url`: its root; `token`: what says who asks; `trust`: whom to believe that it is the api."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        trust: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.url = url.rstrip("/")
        self._how: dict[str, Any] = {
            "timeout": timeout_seconds,
            "verify": trust or ssl.create_default_context(),  # not httpx's own list
            "follow_redirects": True,
            "headers": {"authorization": f"Bearer {token}"} if token else {},
        }
        self._kept: httpx.Client | None = None

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Ask over one connection until this ends, then over one each time again."""
        with httpx.Client(**self._how) as client:
            self._kept = client
            try:
                yield
            finally:
                self._kept = None

    def get(self, path: str, params: Params = ()) -> bytes:
        """The body of GET `path`. Raises `ApiRefusalError` or another `ApiError`."""
        status, body = self.ask(path, params)
        self._check(status, body)
        return body

    def ask(self, path: str, params: Params = ()) -> tuple[int, bytes]:
        """Status and body, whatever they are. Raises `ApiError` where there are none."""
        with self._errors():
            url, query = self.url + quote(path), _query(params)
            if self._kept is not None:
                answer = self._kept.get(url, params=query)
            else:
                answer = httpx.get(url, params=query, **self._how)
        return answer.status_code, answer.content

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """The body of the answer to POST `path` with this JSON. Raises as `get` does."""
        with self._errors():
            answer = httpx.post(self.url + quote(path), json=dict(body), **self._how)
        self._check(answer.status_code, answer.content)
        return answer.content

    @contextmanager
    def streamed(
        self, path: str, params: Params, headers: Mapping[str, str], silence: float
    ) -> Iterator[Iterator[str]]:
        """The lines of an answer without an end; `silence`: for how many seconds there may be none. Raises as
        `get` does."""
        how = {**self._how, "timeout": httpx.Timeout(self._how["timeout"], read=silence)}
        with self._errors(), httpx.Client(**how) as client:
            asked = client.stream("GET", self.url + quote(path), params=_query(params), headers=dict(headers))
            with asked as answer:
                if answer.status_code != 200:
                    self._check(answer.status_code, answer.read())
                yield answer.iter_lines()

    def _check(self, status: int, body: bytes) -> None:
        if status == 200:
            return
        said = problem_of(body)
        if status in REFUSALS:
            raise ApiRefusalError(said, status)
        raise ApiError(f"the api at {self.url} answered {status}: {said}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        if not self.url.startswith(("http://", "https://")):
            raise ApiError(f"{self.url} is not an api's URL: it must begin with http:// or https://")
        try:
            yield
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ApiError(f"{self.url} is not an api's URL: {error}") from None
        except (ImportError, ValueError) as error:  # a proxy of the environment that httpx does not know
            raise ApiError(f"the api at {self.url} cannot be asked: {error}") from None
        except httpx.RequestError as error:
            mend = "start it with `sluice api`, or give --api URL"
            raise ApiAwayError(f"the api at {self.url} does not answer ({error}): {mend}") from None


def _query(params: Params) -> httpx.QueryParams:
    return httpx.QueryParams(tuple(params))


def problem_of(body: bytes) -> str:
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
