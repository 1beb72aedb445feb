"""Real invoices, replayed as of their own time: the views over the whole span show exactly their totals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streams.cli.children import Child, start, stop_all
from streams.client import ApiAwayError, SluiceClient
from streams.embedded.broker import EmbeddedKafka
from streams.embedded.config import free_port
from streams.sources.fixture import FIXTURE
from tests.support.kafka import wait_until

SLUICE = [sys.executable, "-m", "streams.cli.main"]

pytestmark = pytest.mark.timeout(360)  # twice a whole replay, each waited for up to two minutes


class Sluice:
    """A worker and an api with topics of their own, reading a shared Kafka."""

    def __init__(self, kafka: EmbeddedKafka, prefix: str, folder: Path) -> None:
        port = free_port()
        self.environment = {
            **os.environ, "SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix,
            "SLUICE_RAW_TOPICS": f"{prefix}raw",
            "SLUICE_DATA_DIR": str(folder), "SLUICE_PANE_HOURS": "20000",
            "SLUICE_HTTP_PORT": str(port), "SLUICE_METRICS_PORT": "0",
        }  # fmt: skip
        self.client = SluiceClient(f"http://127.0.0.1:{port}")
        self.run("topics", "create")
        self.children: list[Child] = []
        for name in ("worker views", "api"):
            command = [*SLUICE, *name.split()]
            self.children.append(start(name, command, self.environment, folder / f"{name.split()[0]}.log"))

    def run(self, *arguments: str) -> None:
        subprocess.run(
            [*SLUICE, *arguments], env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=110
        )

    def answer(self, view: str) -> dict[str, Any]:
        span = [("from", "2010-12-01T00:00:00Z"), ("to", "2012-01-01T00:00:00Z"), ("group_by", "currency")]
        answer: dict[str, Any] = self.client.json(f"/v1/views/{view}", span)
        return answer

    def has_folded(self, records: int) -> bool:
        for child in self.children:
            assert child.process.poll() is None, f"{child.name} has ended, see {child.log}"
        try:
            ready = self.client.ready()[0]
            partitions = self.answer("kpi_gmv")["partitions"] if ready else []
        except ApiAwayError:
            return False
        return sum(partition["checkpoint_offset"] or 0 for partition in partitions) == records


@pytest.fixture
def sluice(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> Iterator[Sluice]:
    sluice = Sluice(kafka, prefix, tmp_path)
    yield sluice
    stop_all(sluice.children)


async def shows(
    sluice: Sluice, *, file: str, records: int, bookings: int, charges: int, refunds: int, fees: int
) -> None:
    """Replay the file twice: the second time repeats every event_id, so it changes nothing."""
    for time in (1, 2):
        sluice.run("replay", "--format", "online-retail", file)
        folded = partial(sluice.has_folded, time * records)
        await wait_until(folded, "all of it in the views", seconds=120)
        (gmv,) = sluice.answer("kpi_gmv")["rows"]
        assert (gmv["bookings"], gmv["gmv_minor"]) == (bookings, charges)
        (recon,) = sluice.answer("ops_recon_variance")["rows"]
        assert (recon["charges_minor"], recon["refunds_minor"], recon["fees_minor"]) == (
            charges,
            refunds,
            fees,
        )
        assert recon["variance_minor"] == charges - refunds - fees


async def test_the_fixture_in_the_views_is_exact(sluice: Sluice) -> None:
    await shows(
        sluice, file=str(FIXTURE), records=439, bookings=197,
        charges=9_848_926, refunds=205_363, fees=1_135_162,
    )  # fmt: skip


async def test_the_whole_file_in_the_views_is_exact(sluice: Sluice) -> None:
    file = os.environ.get("ONLINE_RETAIL_CSV")
    if not file:
        pytest.skip("ONLINE_RETAIL_CSV does not name the whole file")
    await shows(
        sluice, file=file, records=43_758, bookings=19_960,
        charges=1_066_668_454, refunds=67_631_438, fees=24_262_223,
    )  # fmt: skip
