"""SLUICE_AUTH=tokens: each analyst has a token, of which the file keeps the hash."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from streams.access.bearer import DIGEST_RULE, bearer_token, digest_of, holder_of, parse_digest
from streams.access.identity import ANALYST, ANALYST_RULE, Headers, Identity, UnauthorizedError, header
from streams.access.kept_file import KeptFile, KeptFileError


class Token(NamedTuple):
    """A line of the file."""

    analyst: str
    digest: bytes


class Tokens:
    """Tells analysts by the file's tokens. Raises `KeptFileError` for a wrong file."""

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path, read_tokens)

    def identify(self, headers: Headers, address: str | None) -> Identity:  # noqa: ARG002
        """Raises `UnauthorizedError`."""
        shown = bearer_token(header(headers, b"authorization"))
        if shown is None:
            raise UnauthorizedError("a token is needed: Authorization: Bearer TOKEN")
        token = holder_of(shown, self._file.get())
        if token is None:
            raise UnauthorizedError("this token is not known here")
        return Identity(token.analyst, lambda: token in self._file.get())


def read_tokens(path: Path, text: str) -> tuple[Token, ...]:
    """The lines `analyst,sha256 of the token`; empty ones and comments (#) are passed over. An analyst may
    have several, so that one can be replaced.

    Raises `KeptFileError`, with the line, for the first that is wrong.
    """
    found: dict[bytes, Token] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path}, line {number}"
        analyst, comma, digest_text = (part.strip() for part in line.partition(","))
        digest = parse_digest(digest_text)
        if not comma or not ANALYST.fullmatch(analyst):
            raise KeptFileError(f"{where}: must be analyst,sha256 of the token; an analyst is {ANALYST_RULE}")
        if digest is None:
            raise KeptFileError(f"{where}: the second is {DIGEST_RULE}")
        if digest == digest_of(""):
            raise KeptFileError(f"{where}: this is the SHA-256 of nothing, no token's")
        if digest in found:
            raise KeptFileError(f"{where}: {found[digest].analyst} has this token already")
        found[digest] = Token(analyst, digest)
    return tuple(found.values())
