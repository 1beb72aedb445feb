"""`sluice doctor` on a real Kafka: what it sees of workers, lag, gates, folders, and that it ends in time."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.doctor import Findings, doctor
from tests.support.kafka import Raw, produce, wait_until
from tests.support.processes import Sluice
from tests.support.views_partition import CLICK


def wrong(findings: Findings) -> dict[str, str]:
    return {
        one["what"]: f"{one['found']} | {one['mend']}"
        for listed in findings.values()
        for one in listed
        if one["state"] == "wrong"
    }


async def test_doctor_sees_who_works_and_who_does_not(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(
        tmp_path, kafka.bootstrap, prefix, partitions=2, stale_seconds=1, data_dir=tmp_path / "data"
    ) as sluice:
        await topics.create(sluice.settings)
        raw = f"{prefix}events.raw"
        hour_ago = int(time.time() * 1000) - 3_600_000
        await produce(kafka.bootstrap, raw, [Raw(CLICK % 1, b"k", hour_ago)])
        code, findings = await doctor(sluice, http_prt="1")
        assert code == 1
        bad = wrong(findings)
        assert "no views worker | start one with `sluice worker views`" in bad["views worker"]
        assert "no bronze worker" in bad["bronze worker"], findings
        assert "no gates worker" in bad["gates worker"]
        assert "does not exist" in bad["bronze"]
        assert "did you mean SLUICE_HTTP_PORT?" in bad["variable SLUICE_HTTP_PRT"]
        assert "1 records behind; the oldest has waited 3,6" in bad["views lag"]
        assert "1 records behind" in bad["bronze lag"]

        roles = [sluice.worker(), sluice.bronze(), sluice.gates()]
        for role in roles:
            await role.ready(60)
        last: list[Any] = []

        async def well() -> bool:
            last[:] = [await doctor(sluice)]
            return bool(last[0][0] == 0)

        await wait_until(well, "all to be well", seconds=90)
        assert last[0][1]["views worker"][0]["found"] == "1 on 2 partitions"
        assert last[0][1]["bronze worker"][0]["state"] == "good"
        assert last[0][1]["views lag"][0]["state"] == "good"

        roles[0].signal(signal.SIGSTOP)  # as if its machine hung

        async def gone() -> bool:
            last[:] = [await doctor(sluice)]
            return "no views worker" in wrong(last[0][1]).get("views worker", "")

        await wait_until(gone, "the stopped worker to be missed", seconds=60)
        assert last[0][0] == 1
        code, findings = await doctor(sluice, "--without", "gates", "--without", "views")
        assert {what for what in wrong(findings) if "worker" in what or "lag" in what} == set()
        roles[0].signal(signal.SIGCONT)


async def test_doctor_ends_in_time_whatever_hangs(own_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    with Sluice(tmp_path, own_kafka.bootstrap, "") as sluice:
        await topics.create(sluice.settings)
        pid = own_kafka.pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            code, findings = await doctor(sluice, "--timeout", "1")
            assert time.monotonic() - started < 30
            for command in (("topics", "list"), ("quarantine", "list")):
                done = await asyncio.to_thread(sluice.run, *command, "--timeout", "1")
                assert (done.returncode, done.stdout) == (1, "")
                assert done.stderr.splitlines()[-1].endswith(f"{own_kafka.bootstrap}: timed out")
        finally:
            os.kill(pid, signal.SIGCONT)
    assert code == 1
    assert "timed out" in wrong(findings)["kafka"]
    assert "data folder" in findings, "the rest is looked at all the same"
