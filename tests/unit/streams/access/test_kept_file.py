"""Files that are read again when they change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.access.kept_file import LOOK_SECONDS, KeptFile, KeptFileError
from tests.support.no_more_files import no_more_files


@pytest.fixture
def a_second(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have a second pass."""
    now = [0.0]
    monkeypatch.setattr("streams.access.kept_file.time.monotonic", lambda: now[0])

    def passes() -> None:
        now[0] += LOOK_SECONDS

    return passes


def read(_: Path, text: str) -> str:
    if text == "wrong":
        raise KeptFileError("it is wrong")
    return text


def test_a_changed_one_is_read_again_and_a_wrong_one_does_not_count(
    tmp_path: Path, a_second: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "file"
    path.write_text("a")

    def changed_to(text: str) -> None:
        path.write_text(text)
        os.utime(path, ns=(1, len(caplog.records) + hash(text) % 10**9))
        a_second()

    kept = KeptFile(path, read)
    assert kept.get() == "a"
    changed_to("b")
    assert kept.get() == "b"
    changed_to("wrong")
    assert kept.get() == "b"
    path.unlink()
    a_second()
    assert kept.get() == "b"
    changed_to("c")
    assert kept.get() == "c"
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "ERROR", "INFO"]


def test_one_that_could_not_be_read_is_tried_again_though_it_does_not_change(
    tmp_path: Path, a_second: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file"
    path.write_text("ana,ben")
    kept = KeptFile(path, read)
    (tmp_path / "new").write_text("ana")
    (tmp_path / "new").rename(path)
    for _ in range(3):
        a_second()
        with no_more_files():
            assert kept.get() == "ana,ben"
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: cannot be read (Too many open files); what it said before still counts"
    ]
    a_second()
    assert kept.get() == "ana", "what it takes back no longer counts"


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path, a_second: Callable[[], None]) -> None:
    path = tmp_path / "file"
    path.write_text("ana")
    kept, times = KeptFile(path, read), path.stat()
    while path.stat().st_ctime_ns == times.st_ctime_ns:
        path.write_text("ben")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    a_second()
    assert kept.get() == "ben"


def test_one_that_cannot_be_read_at_first_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeptFileError, match="nowhere: cannot be read"):
        KeptFile(tmp_path / "nowhere", read)
