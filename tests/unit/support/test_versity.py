"""A slow or failing build of the S3 gateway: waited for with a word, bounded, and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import versity
from tests.support.versity import Gateway


def built(folder: Path, script: str, seconds: float = 30.0) -> Gateway:
    return Gateway(["bash", "-c", script], folder / "cache", seconds)


def test_a_slow_build_is_waited_for_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versity, "TELL_SECONDS", 0.2)
    gateway = built(tmp_path, 'while [ ! -e "$GOBIN/go-on" ]; do sleep 0.05; done; touch "$GOBIN/versitygw"')
    gateway.start()
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        (gateway.folder / "go-on").touch()

    gateway.wait(tell)
    assert told[0].startswith("waiting for Go to build github.com/versity/versitygw")
    assert gateway.problem() is None


def test_one_that_takes_too_long_is_ended_and_named(tmp_path: Path) -> None:
    gateway = built(tmp_path, "sleep 600", seconds=0.2)
    gateway.start()
    gateway.wait(lambda _: None)
    assert not gateway.is_building
    assert str(gateway.problem()).startswith("Versity's S3 gateway was not built in 0.2 s; GOBIN=")


def test_one_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    gateway = built(tmp_path, "echo fetching; echo 'dial tcp: no such host' >&2; exit 1")
    gateway.start()
    gateway.wait(lambda _: None)
    assert "could not be built: dial tcp: no such host; " in str(gateway.problem())


def test_without_go_nothing_is_begun(tmp_path: Path) -> None:
    gateway = Gateway(["no-such-go"], tmp_path)
    gateway.start()
    gateway.wait(lambda _: None)
    assert "it needs Go" in str(gateway.problem())
