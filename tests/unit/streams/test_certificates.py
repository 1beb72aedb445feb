"""When certificates end, as Prometheus is told: also of those that were renewed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import REGISTRY

from streams.certificates import measure_end
from tests.support.certificates import Authority

SOON, LATER = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


def told(setting: str) -> float | None:
    return REGISTRY.get_sample_value("sluice_certificate_end_timestamp_seconds", {"setting": setting})


def test_of_a_chain_the_first_to_end_counts_and_of_trusted_ones_the_last(tmp_path: Path) -> None:
    authority, file = Authority(tmp_path / "ca.pem"), tmp_path / "both.pem"
    first, key = authority.client("first", until=SOON)
    file.write_bytes(key + first + authority.client("second", until=LATER)[0])
    measure_end("CHAIN", file)
    measure_end("TRUSTED", file, max)
    assert (told("CHAIN"), told("TRUSTED")) == (SOON.timestamp(), LATER.timestamp())
    file.write_bytes(authority.client("renewed", until=LATER)[0])
    measure_end("CHAIN", file)
    assert told("CHAIN") == LATER.timestamp()


def test_nothing_is_told_of_what_is_no_certificate(tmp_path: Path) -> None:
    file = tmp_path / "none.pem"
    file.write_text("none")
    for path in (None, file, tmp_path / "nowhere.pem"):
        measure_end("NOTHING", path)
    assert told("NOTHING") is None
