"""A folder of Avro schemas in the place of a registry: `<schema id>.avsc`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from schemas.validation.avro.writer_schema import AVRO
from streams.registry.client import NotRegisteredError, Registered, RegistryError


class SchemaFolder:
    """`streams.registry.schemas.Source` of a folder; a file that is added later is found, too."""

    def __init__(self, folder: Path) -> None:
        self.url = folder.as_uri()
        self._folder = folder

    async def schema(self, schema_id: int) -> Registered:
        """The schema of an id. Raises `NotRegisteredError` and `RegistryError`, which name the file."""
        return await asyncio.to_thread(self._read, self._folder / f"{schema_id}.avsc")

    def _read(self, path: Path) -> Registered:
        try:
            return Registered(AVRO, path.read_text("utf-8"))
        except FileNotFoundError:
            if not self._folder.is_dir():
                raise RegistryError(
                    f"{self._folder} is not a folder; it should hold <schema id>.avsc"
                ) from None
            raise NotRegisteredError(f"there is no {path}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise RegistryError(f"{path} cannot be read: {error}") from None

    async def aclose(self) -> None:
        """Nothing is open."""
