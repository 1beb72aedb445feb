"""The store that a URL names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from streams.settings import SettingError, Settings
from streams.store.local import LocalStore
from streams.store.s3 import S3ObjectStore


def bronze_store(settings: Settings) -> LocalStore | S3ObjectStore:
    """The store of SLUICE_BRONZE_URL; without it, the folder `bronze` in SLUICE_DATA_DIR."""
    if not settings.bronze_url:
        return LocalStore(settings.data_dir.absolute() / "bronze")
    return store_at(settings.bronze_url)


def former_stores(settings: Settings) -> list[LocalStore | S3ObjectStore]:
    """The stores of SLUICE_BRONZE_FORMER, oldest first. Raises `SettingError` where Bronze itself is one."""
    now = str(bronze_store(settings))
    stores = [store_at(url) for url in settings.bronze_former]
    if now in map(str, stores):
        allowed = f"other places than Bronze's own, {now} (SLUICE_BRONZE_URL): give that another prefix"
        raise SettingError("SLUICE_BRONZE_FORMER", ",".join(settings.bronze_former), allowed)
    return stores


def store_at(url: str) -> LocalStore | S3ObjectStore:
    """A store by its URL, `file:///dir` or `s3://bucket/prefix`, as `Settings` has checked it."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)))
    return S3ObjectStore(parts.netloc, parts.path)
