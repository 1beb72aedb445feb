"""Files of events that `sluice replay` reads."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from streams.sources.files import InputFile
from streams.sources.ndjson import Ndjson


def event(number: int, **more: Any) -> dict[str, Any]:
    payload = {"booking_id": f"b{number}", "note": 'é {["]} 😀\n', "n": 1.50}
    return {
        "event_id": f"e{number}", "event": "x.y", "version": 1, "occurred_at": "2026-01-01T00:00:00Z",
        "source": "t", "payload": payload, **more,
    }  # fmt: skip


def lines(events: list[Any]) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in events)


GOOD = lines([event(1)]).encode()


def zipped(data: bytes, *more: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        archive.writestr("__MACOSX/folder/._a", b"\0clutter")
        for number, member in enumerate((data, *more)):
            archive.writestr(f"folder/{number}.json", member)
    return packed.getvalue()


def source(tmp_path: Path, data: bytes, *, force: bool = False) -> Ndjson:
    path = tmp_path / "events"
    path.write_bytes(data)
    return Ndjson(InputFile(str(path)), force=force)
