"""The client."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from streams.client.answers import (
    AlarmsAnswer,
    EntityPage,
    GatesAnswer,
    PipelineAnswer,
    Row,
    ViewAnswer,
    ViewInfo,
)
from streams.client.errors import ApiAwayError, ApiError
from streams.client.server_sent_events import events_of
from streams.client.transport import TIMEOUT_SECONDS, Params, Transport, problem_of
from tables.gates.records import key_of_subject, split_key

T = TypeVar("T")
Values = str | int | None | Sequence[str | None]
"""Of a parameter: a text or a number; a list for several of a filter, in which None is null."""

SILENCE_SECONDS = 45.0
"""A stream has a comment every 15 s: one that is silent for longer has broken."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


class _Views(msgspec.Struct):
    views: list[ViewInfo]


class SluiceClient:
    """Asks one api: `SluiceClient("https://sluice.example", token).view("kpi_gmv", window="1h")`.

    `url`: its root; `token`: what says who asks (SLUICE_AUTH); `trust`: whom to believe that it is the api,
    this machine's authorities if it is not given. Parameters are those of the routes, `from_` for `from`
    (docs/reference/http.md); filters go by the dimensions' names: a text as the api takes it, or a list of
    values. Every method raises `ApiRefusalError` for a question that the api refuses, `ApiAwayError` where it
    does not answer, both of them `ApiError`s.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        trust: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._transport = Transport(url, token, trust, timeout_seconds)

    @property
    def url(self) -> str:
        """Its root, without a slash at the end."""
        return self._transport.url

    def kept_open(self) -> AbstractContextManager[None]:
        """Ask over one connection until this ends."""
        return self._transport.kept_open()

    def ready(self) -> tuple[bool, str]:
        """Whether it is ready, and what it said."""
        status, body = self._transport.ask("/readyz")
        return status == 200, problem_of(body)

    def views(self) -> list[ViewInfo]:
        """Every view."""
        return self._typed(_Views, "/v1/views", ()).views

    def view(self, name: str, **parameters: Values) -> ViewAnswer:
        """A view's rows."""
        return self._typed(ViewAnswer, f"/v1/views/{name}", _params(parameters))

    def entities(self, name: str, **parameters: Values) -> Iterator[Row]:
        """A view's entities, oldest first, page after page. One that changes meanwhile may come twice."""
        page = self.entity_page(name, **parameters)
        yield from page.rows
        while page.cursor is not None:
            page = self.entity_page(name, **{**parameters, "cursor": page.cursor})
            yield from page.rows

    def entity_page(self, name: str, **parameters: Values) -> EntityPage:
        """One page of a view's entities."""
        return self._typed(EntityPage, f"/v1/views/{name}/entities", _params(parameters))

    def gates(self, **parameters: Values) -> GatesAnswer:
        """The recon gates."""
        return self._typed(GatesAnswer, "/v1/gates/recon", _params(parameters))

    def override_gate(
        self,
        subject: str,
        decision: str,
        *,
        reason: str,
        seconds: int = 0,
        even_stale: bool = False,
        by: str = "",
    ) -> dict[str, Any]:
        """Have a gate, as alarms call it (`recon/london|GBP`), be `open` or `closed` for a time, or as its
        rule says (`none`). Needs the role operator. Answers the override. Raises `ApiRefusalError`."""
        found = split_key(key_of_subject(subject)) if "/" in subject else None
        name, values = found or (subject, ())
        listed = {gate["name"]: gate["dimensions"] for gate in self.json("/v1/gates")["gates"]}
        body = {
            "key": dict(zip(listed.get(name, ()), values, strict=False)),
            "decision": decision,
            "reason": reason,
            "seconds": seconds,
            "even_stale": even_stale,
            "by": by,
        }
        made: dict[str, Any] = json.loads(self._transport.post(f"/v1/gates/{name}/override", body))
        return made

    def alarms(self, **parameters: Values) -> AlarmsAnswer:
        """The alarms."""
        return self._typed(AlarmsAnswer, "/v1/alarms", _params(parameters))

    def acknowledge_alarm(self, alarm_id: str, *, reason: str, by: str = "") -> dict[str, Any]:
        """Take an open alarm on. Needs the role operator. Answers who has taken it on. Raises
        `ApiRefusalError`."""
        path = f"/v1/alarms/{quote(alarm_id, safe='/')}/ack"
        made: dict[str, Any] = json.loads(self._transport.post(path, {"reason": reason, "by": by}))
        return made

    def pipeline(self) -> PipelineAnswer:
        """Who reads what, how far it is, and which views can be trusted."""
        return self._typed(PipelineAnswer, "/v1/pipeline", ())

    def stream(self, name: str, **parameters: Values) -> Iterator[ViewAnswer]:
        """A view's answer now, and whenever it has changed, without an end. A connection that breaks, or that
        the api ends without a word, is made anew, after which what has changed meanwhile comes; raises
        `ApiRefusalError` for what is refused, and `ApiError` with what the api says where it ends the stream.
        """
        last_id: str | None = None
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                for newest_id, answer in self._stream(name, _params(parameters), last_id):
                    last_id, pause = newest_id, FIRST_PAUSE_SECONDS
                    yield answer
                time.sleep(FIRST_PAUSE_SECONDS)
            except ApiAwayError:
                time.sleep(pause)
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)

    def _stream(
        self, name: str, params: Params, last_id: str | None
    ) -> Iterator[tuple[str | None, ViewAnswer]]:
        headers = {} if last_id is None else {"last-event-id": last_id}
        with self._transport.streamed(f"/v1/stream/{name}", params, headers, SILENCE_SECONDS) as lines:
            for event in events_of(lines):
                if event.kind == "error":
                    raise ApiError(
                        f"the api at {self.url} ended the stream: {problem_of(event.data.encode())}"
                    )
                yield event.id, self._decoded(ViewAnswer, event.data.encode())

    def json(self, path: str, params: Params = ()) -> Any:
        """What a route answers, as it is."""
        return self._decoded(Any, self._transport.get(path, params))

    def text(self, path: str, params: Params = ()) -> str:
        """The same as text, such as CSV, if `params` ask for it."""
        return self._transport.get(path, params).decode()

    def _typed(self, kind: type[T], path: str, params: Params) -> T:
        return self._decoded(kind, self._transport.get(path, params))

    def _decoded(self, kind: type[T], body: bytes) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise ApiError(f"what {self.url} answers is not what this client knows: {error}") from None


def _params(parameters: dict[str, Values]) -> Params:
    found = []
    for name, value in parameters.items():
        if isinstance(value, str | int):
            found.append((name.removesuffix("_"), str(value)))
        elif value is not None:
            found += [(name.removesuffix("_"), _element(one)) for one in value]
    return found


def _element(value: str | None) -> str:
    """One of a filter's values: its commas are its own."""
    return "" if value is None else value.replace("\\", "\\\\").replace(",", "\\,")
