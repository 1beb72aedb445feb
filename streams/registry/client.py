"""A schema registry over HTTP, by Confluent's API (Apicurio, Karapace and Redpanda have it too).

confluent-kafka has a client of it. It would load a second Kafka client into every worker, and its bearer
tokens are for Confluent Cloud alone: these few requests are made here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx
import msgspec

from schemas.validation.avro.writer_schema import AVRO
from streams.settings import PREFIX, SettingError, Settings

TIMEOUT_SECONDS = 5.0
LARGEST_ANSWER_BYTES = 4 << 20
MOST_REFERENCES = 100
NO_SCHEMA = 40403
NO_SUBJECT = 40401
NO_VERSION = 40402
NO_LEVEL = 40408
LEVELS = (
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
    "NONE",
)
"""How a subject's versions may differ."""
_JSON = "application/vnd.schemaregistry.v1+json"


class RegistryError(Exception):
    """The registry does not answer, or not as it should. `str(error)` is one line that names its address."""


class NotRegisteredError(RegistryError):
    """It answers that it has no such schema."""


class IncompatibleError(RegistryError):
    """It refuses a schema: the subject's compatibility level forbids the change."""


class Registered(NamedTuple):
    """A schema as the registry has it: its type (`AVRO`, `JSON`, `PROTOBUF`), its text, and the texts that it
    refers to, each after those that it refers to itself."""

    kind: str
    text: str
    references: tuple[str, ...] = ()


class RegistryClient:
    """One registry. `url` is its root. Every method raises `RegistryError`."""

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        token: str = "",
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.AsyncClient(
            auth=(user, password) if user else None,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=TIMEOUT_SECONDS,
            verify=trust or ssl.create_default_context(),
        )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The registry that the settings name. Raises `SettingError`."""
        password, token = settings.schema_registry_password_file, settings.schema_registry_token_file
        return cls(
            settings.schema_registry_url,
            user=settings.schema_registry_user,
            password=password.read_text("utf-8").strip() if password else "",
            token=token.read_text("utf-8").strip() if token else "",
            trust=_trust(settings),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def schema(self, schema_id: int) -> Registered:
        """The schema of an id. Raises `NotRegisteredError`."""
        found = await self._get(f"/schemas/ids/{schema_id}")
        return Registered(_kind(found), self._text(found), tuple(await self._references(found)))

    async def latest(self, subject: str) -> Registered | None:
        """The newest version of a subject; None: it has none."""
        try:
            found = await self._get(f"/subjects/{quote(subject, safe='')}/versions/latest")
        except NotRegisteredError:
            return None
        return Registered(_kind(found), self._text(found), tuple(await self._references(found)))

    async def id_of(self, subject: str, text: str) -> int | None:
        """The id of an Avro schema that is a version of the subject already; None: it is none."""
        try:
            found = await self._ask("POST", f"/subjects/{quote(subject, safe='')}", {"schema": text})
        except NotRegisteredError:
            return None
        return self._number(found)

    async def register(self, subject: str, text: str) -> int:
        """Make an Avro schema a version of the subject; returns its id. Raises `IncompatibleError`."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        return self._number(await self._ask("POST", path, {"schema": text}))

    async def problems(self, subject: str, text: str) -> list[str]:
        """Why an Avro schema could not be the subject's next version, in the registry's words."""
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest?verbose=true"
        try:
            answer = await self._ask("POST", path, {"schema": text})
        except NotRegisteredError:  # its first version
            return []
        if answer.get("is_compatible") is True:
            return []
        messages = answer.get("messages")
        told = [str(message) for message in messages] if isinstance(messages, list) else []
        return told or ["the registry does not say why"]

    async def compatibility(self, subject: str) -> str | None:
        """A subject's compatibility level; None: it was given none, and the registry's own holds."""
        try:
            answer = await self._get(f"/config/{quote(subject, safe='')}")
        except NotRegisteredError:
            return None
        return str(answer.get("compatibilityLevel"))

    async def set_compatibility(self, subject: str, level: str) -> None:
        """Give a subject one of `LEVELS`."""
        await self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": level})

    # --- requests ------------------------------------------------------------------------------------------

    async def _references(self, found: Mapping[str, Any]) -> list[str]:
        """What a schema refers to, each text once and after what it refers to itself."""
        texts: dict[tuple[str, int], str] = {}
        asked: set[tuple[str, int]] = set()

        async def follow(schema: Mapping[str, Any]) -> None:
            references = schema.get("references") or ()
            for reference in references if isinstance(references, list) else ():
                key = (str(reference.get("subject")), int(reference.get("version", 0)))
                if key in asked:
                    continue
                asked.add(key)
                if len(asked) > MOST_REFERENCES:
                    raise self._wrong(f"a schema refers to more than {MOST_REFERENCES} others")
                below = await self._get(f"/subjects/{quote(key[0], safe='')}/versions/{key[1]}")
                await follow(below)
                texts[key] = self._text(below)

        try:
            await follow(found)
        except (AttributeError, TypeError, ValueError):
            raise self._wrong("what a schema refers to is written in another way") from None
        return list(texts.values())

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._ask("GET", path)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Accept": f"{_JSON}, application/json", "Content-Type": _JSON}
        try:
            # Also of one that answers a byte now and then: httpx's own limits are for each read.
            async with asyncio.timeout(2 * TIMEOUT_SECONDS):
                async with self._client.stream(
                    method, self.url + path, content=content, headers=headers
                ) as response:
                    return self._answer(response.status_code, await self._body(response))
        except TimeoutError:
            raise self._wrong(f"no answer within {2 * TIMEOUT_SECONDS:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._wrong(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    async def _body(self, response: httpx.Response) -> bytes:
        body = b""
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > LARGEST_ANSWER_BYTES:
                raise self._wrong(f"an answer of more than {LARGEST_ANSWER_BYTES >> 20} MiB")
        return body

    def _answer(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            answer = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._wrong(f"HTTP {status}, and no JSON object: is this a registry's address?")
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        why = f"HTTP {status}: {answer.get('message', 'without a reason')}"[:300]
        if answer.get("error_code") in (NO_SCHEMA, NO_SUBJECT, NO_VERSION, NO_LEVEL):
            raise NotRegisteredError(self._said(why))
        if status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise IncompatibleError(self._said(why))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            why += f" ({PREFIX}SCHEMA_REGISTRY_USER and _PASSWORD_FILE, or _TOKEN_FILE, say who asks)"
        raise self._wrong(why)

    def _text(self, answer: Mapping[str, Any]) -> str:
        text = answer.get("schema")
        if not isinstance(text, str):
            raise self._wrong("an answer without a schema")
        return text

    def _number(self, answer: Mapping[str, Any]) -> int:
        number = answer.get("id")
        if type(number) is not int:
            raise self._wrong("an answer without an id")
        return number

    def _wrong(self, why: str) -> RegistryError:
        return RegistryError(self._said(why))

    def _said(self, why: str) -> str:
        return f"the schema registry at {self.url}: {why}"


def _kind(answer: Mapping[str, Any]) -> str:
    return str(answer.get("schemaType") or AVRO)


def _trust(settings: Settings) -> ssl.SSLContext | None:
    file = settings.schema_registry_ca_file
    try:
        return ssl.create_default_context(cafile=file) if file else None
    except (OSError, ssl.SSLError) as error:
        allowed = f"a PEM file of certificates ({error})"
        raise SettingError(f"{PREFIX}SCHEMA_REGISTRY_CA_FILE", str(file), allowed) from None
