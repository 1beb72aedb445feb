"""The schemas as they were: of a folder, or of a commit of the checkout."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from schemas.compatibility.changes import Former
from schemas.render import AVRO_FOLDER, JSON_FOLDER

GIT_SECONDS = 60
_LAYOUT = f"{JSON_FOLDER}/<domain>/<event>.json and {AVRO_FOLDER}/<domain>/<event>.avsc"


class FormerError(Exception):
    """Former schemas cannot be read. `str(error)` says what of where, and how to mend it, in one line."""


def of_folder(folder: Path) -> dict[str, Former]:
    """Event → its schemas, of a folder with the layout of `sluice schemas render`. Raises `FormerError`."""
    files = [
        (path.relative_to(folder).as_posix(), path)
        for top in (JSON_FOLDER, AVRO_FOLDER)
        for path in sorted((folder / top).glob("*/*"))
    ]
    return _read(((name, _bytes(path)) for name, path in files), str(folder))


def of_commit(reference: str, checkout: Path) -> dict[str, Former]:
    """The same of a commit of the checkout that a folder is in. Raises `FormerError`."""
    _git(checkout, f"{checkout} is in no git checkout; name a folder instead", "rev-parse", "--git-dir")
    is_none = f"there is no commit or folder {reference!r} (of a shallow clone, fetch it first)"
    commit = _git(
        checkout, is_none, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}"
    )
    there = [
        top
        for top in (JSON_FOLDER, AVRO_FOLDER)
        if _git(checkout, "", "ls-tree", "--name-only", commit.decode().strip(), f"{top}/")
    ]
    if not there:
        raise FormerError(f"{reference} has no schemas below {checkout}: {_LAYOUT}")
    packed = _git(
        checkout,
        f"git can't show {reference}",
        "archive",
        "--format=tar",
        commit.decode().strip(),
        "--",
        *there,
    )
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return _read(_members(archive), reference)


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        content = archive.extractfile(member)
        if content is not None:
            yield member.name, content.read()


def _git(checkout: Path, otherwise: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *arguments],  # noqa: S607 - git is where the user has it
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=GIT_SECONDS,
        )  # fmt: skip
    except FileNotFoundError:
        raise FormerError("git is not installed; name a folder instead") from None
    except subprocess.TimeoutExpired:
        raise FormerError(f"git does not answer within {GIT_SECONDS} s; name a folder instead") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise FormerError(f"{otherwise} ({said})" if otherwise and said else otherwise or said)
    return done.stdout


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormerError(f"{path} cannot be read ({error.strerror})") from None


def _read(files: Iterable[tuple[str, bytes]], whence: str) -> dict[str, Former]:
    found: dict[str, Former] = {}
    for name, content in files:
        path = PurePosixPath(name)
        if path.suffix not in (".json", ".avsc"):
            continue
        schema = _parsed(content, f"{name} of {whence}")
        event = found.get(path.stem, Former())
        if path.suffix == ".json":
            found[path.stem] = event._replace(json=schema)
        else:
            found[path.stem] = event._replace(avro=checked_avro(schema, f"{name} of {whence}"))
    if not found:
        raise FormerError(f"{whence} has no schemas: {_LAYOUT}")
    return found


def _parsed(content: bytes, what: str) -> dict[str, Any]:
    try:
        schema = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormerError(f"{what} is not readable JSON: {error}") from None
    if not isinstance(schema, dict):
        raise FormerError(f"{what} is no schema: a JSON object is expected")
    return schema


def checked_avro(schema: dict[str, Any], what: str) -> dict[str, Any]:
    """The same schema, if it is one to Avro. Raises `FormerError`."""
    try:
        fastavro.parse_schema(schema, {})
    except (SchemaParseException, UnknownType, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FormerError(f"{what} is not an Avro schema: {error}") from None
    except RecursionError:
        raise FormerError(f"{what} is not an Avro schema: it is nested too deep") from None
    return schema
