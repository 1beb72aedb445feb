"""The data folder and Bronze: there, writable, and whole."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

from agents.bronze.files import INTENTS, CorruptFileError
from agents.bronze.store import Store, StoreError
from streams.doctor.finding import GOOD, NOTE, WRONG, Finding, Patient
from streams.store.bronze_verify import uncommitted
from streams.store.local import LocalStore
from streams.store.urls import bronze_store

LITTLE_BYTES = 1 << 30


def unwritable(folder: Path) -> str | None:
    """Why nothing can be written to a folder, or made in its place; None if it can.

    Tried, not asked: permissions say nothing of a file system that is read-only, or full.
    """
    existing = next(place for place in (folder, *folder.parents) if place.exists() or place.is_symlink())
    if not existing.is_dir():
        return f"{existing} is in the way and no folder"
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"?")
    except OSError as error:
        return f"{existing}: {error.strerror or error}"
    return None


async def data_folder(patient: Patient) -> list[Finding]:
    """Whether workers and commands can keep what they have to."""
    folder = patient.settings.data_dir.absolute()
    why = await asyncio.to_thread(unwritable, folder)
    if why is not None:
        mend = "set SLUICE_DATA_DIR to a folder of yours; until then workers do not start"
        return [Finding("data folder", WRONG, f"cannot write {folder} ({why})", mend)]
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < LITTLE_BYTES:
        return [
            Finding("data folder", NOTE, f"{folder}: {free_bytes >> 20} MiB free", "make room on its disk")
        ]
    return [Finding("data folder", GOOD, f"{folder}" if existing == folder else f"{folder} can be made")]


async def bronze(patient: Patient) -> list[Finding]:
    """Whether Bronze is there, can be written, and has no object without a commit."""
    store = bronze_store(patient.settings)
    if isinstance(store, LocalStore):
        finding = await asyncio.to_thread(_folder_of_bronze, store)
        if finding is not None:
            return [finding]
    try:
        async with asyncio.timeout(patient.seconds):
            left = await uncommitted(store)
            if not isinstance(store, LocalStore):
                await _try_writing(store)
    except (StoreError, CorruptFileError) as error:
        mend = "see `sluice bronze verify`; SLUICE_BRONZE_URL and the AWS_ variables say where Bronze lies"
        return [Finding("bronze", WRONG, str(error), mend)]
    except TimeoutError:
        mend = "see whether it can be reached; `sluice bronze verify` takes the time it needs"
        return [Finding("bronze", WRONG, f"{store} was not listed within {patient.seconds:g} s", mend)]
    if not left:
        return [Finding("bronze", GOOD, f"every object in {store} is in a commit, or about to be")]
    more = f" (and {len(left) - 1:,} more)" if len(left) > 1 else ""
    mend = "`sluice bronze verify` lists all"
    if all(problem.kind == "uncommitted" for problem in left):
        mend = f"no worker will commit them: look at them, then delete them ({mend})"
    return [Finding("bronze", WRONG, left[0].found + more, mend)]


async def _try_writing(store: Store) -> None:
    """Write an object that no reader looks at, and remove it, as a worker does. Raises `StoreError`."""
    path = f"{INTENTS}.doctor/{uuid4().hex}"
    await store.create(path, b"?")
    await store.delete(path)


def _folder_of_bronze(store: LocalStore) -> Finding | None:
    """What is wrong with the folder itself."""
    if not store.exists():
        mend = "`sluice worker bronze` makes it; if Bronze lies elsewhere, set SLUICE_BRONZE_URL"
        return Finding("bronze", WRONG, f"{store} does not exist: nothing has been written there", mend)
    why = unwritable(store.folder)
    if why is not None and store.folder.is_dir():
        mend = "let the worker's user write there, or make room; SLUICE_BRONZE_URL sets another place"
        return Finding("bronze", WRONG, f"cannot write {store} ({why})", mend)
    return None  # a file in its place: reading it says so
