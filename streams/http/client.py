"""Asking the api over HTTP, with the standard library alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from streams.settings import Settings

TIMEOUT_SECONDS = 10.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is the api that may listen there


class ApiError(Exception):
    """The api does not answer, or not as it should. `str(error)` is one line."""


class ApiAwayError(ApiError):
    """Nobody answers at its address."""


class ApiRefusalError(ApiError):
    """The api will not answer this question: an unknown view or a wrong parameter."""


class ApiClient:
    """Asks one api. `url` is its root, without a slash at the end."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds

    @classmethod
    def of(cls, settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS) -> Self:
        """The api that these settings start."""
        host = ANY_ADDRESS.get(settings.http_host.strip("[]"), settings.http_host.strip("[]"))
        url = f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}"
        return cls(url, timeout_seconds)

    def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON answer of GET `path`. Raises `ApiRefusalError` (400, 404) or another `ApiError`."""
        status, body = self._get(path, parameters)
        if status == 200:
            return json.loads(body)
        said = _problem(body)
        if status in (400, 404):
            raise ApiRefusalError(said)
        raise ApiError(f"the api at {self.url} answered {status}: {said}")

    def ready(self) -> tuple[bool, str]:
        """Whether it is ready, and what it said. Raises `ApiError`."""
        status, body = self._get("/readyz", ())
        return status == 200, _problem(body)

    def _get(self, path: str, parameters: Sequence[tuple[str, str]]) -> tuple[int, bytes]:
        if not self.url.startswith(("http://", "https://")):
            raise ApiError(f"{self.url} is not an api's URL: it must begin with http:// or https://")
        query = f"?{urlencode(parameters)}" if parameters else ""
        try:
            headers = {"Accept": "application/json"}
            request = Request(self.url + quote(path) + query, headers=headers)  # noqa: S310 - checked above
            with urlopen(request, timeout=self._timeout_seconds) as answer:  # noqa: S310 - checked above
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()
        except ValueError as error:
            raise ApiError(f"{self.url} is not an api's URL: {error}") from None
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            mend = "start it with `sluice api`, or give --api URL"
            raise ApiAwayError(f"the api at {self.url} does not answer ({reason}): {mend}") from None


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
