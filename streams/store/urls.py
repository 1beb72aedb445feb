"""The store that a URL names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from streams.settings import Settings
from streams.store.local import LocalStore
from streams.store.s3 import S3ObjectStore


def bronze_store(settings: Settings) -> LocalStore | S3ObjectStore:
    """The store of SLUICE_BRONZE_URL; without it, the folder `bronze` in SLUICE_DATA_DIR."""
    if not settings.bronze_url:
        return LocalStore(settings.data_dir.absolute() / "bronze")
    return store_at(settings.bronze_url)


def store_at(url: str) -> LocalStore | S3ObjectStore:
    """A store by its URL, `file:///dir` or `s3://bucket/prefix`, as `Settings` has checked it."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)))
    return S3ObjectStore(parts.netloc, parts.path)
