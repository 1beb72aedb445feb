"""`sluice worker all`: every role runs, is started again when it dies, and ends when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.embedded.config import free_port
from streams.kafka import topics
from streams.roles.supervisor import RoleCommand, RoleFailedError, commands, supervise, views_commands
from streams.settings import SettingError, Settings
from tests.support.gates import GateTopics, payment
from tests.support.kafka import wait_until
from tests.support.processes import Sluice, is_running, started_by
from tests.support.sending import produce_all


async def ready(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


async def test_all_roles_run_are_kept_up_and_end_together(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    base = free_port()
    file = tmp_path / "notify.toml"
    file.write_text('[[target]]\nname = "ops"\nkind = "slack"\nurl = "http://127.0.0.1:9/"\n')
    with Sluice(
        tmp_path, kafka.bootstrap, prefix, partitions=2, metrics_port=base, notify_file=file
    ) as sluice:
        await topics.create(sluice.settings)
        every = sluice.started("all", "worker", "all")
        for number, name in enumerate(("views", "bronze", "gates", "notify")):
            await wait_until(lambda port=base + number: ready(port), f"{name} to be ready", seconds=60)
        gates = GateTopics(sluice.settings)
        raw = sluice.raw_topic
        await produce_all(kafka.bootstrap, raw, [payment("charge.succeeded", 50_000, 1)])
        await gates.until("alarm")

        (first,) = started_by(every, "gates")
        os.kill(first, signal.SIGKILL)
        await every.says("worker gates was ended by SIGKILL; it is started again in 1.0 s")
        await wait_until(lambda: len(started_by(every, "gates")) == 2, "gates to be started again")
        await wait_until(lambda: ready(base + 2), "gates to be ready again", seconds=60)

        assert await every.terminate(20) == 0
        for name in ("views", "bronze", "gates", "notify"):
            assert not is_running(started_by(every, name)[-1])


async def test_no_role_outlives_a_supervisor_that_is_killed(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        every = sluice.started("all", "worker", "all")
        await wait_until(
            lambda: started_by(every, "views") and started_by(every, "gates"), "roles to be started"
        )
        started = [pid for name in ("views", "bronze", "gates") for pid in started_by(every, name)]
        every.kill()
        await wait_until(lambda: not any(map(is_running, started)), "all roles to end", seconds=20)


def role(name: str, script: str) -> RoleCommand:
    return RoleCommand(name, (sys.executable, "-c", script), 0)


async def test_a_role_that_does_not_stay_up_ends_all_of_them(tmp_path: Path) -> None:
    runs, other = tmp_path / "runs", tmp_path / "other"
    steady = role(
        "gates", f"import os, time; open({str(other)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    until = f"import os, time\nwhile not os.path.exists({str(other)!r}): time.sleep(0.01)"
    failing = role("views", f"{until}\nopen({str(runs)!r}, 'a').write('x'); raise SystemExit(3)")
    with pytest.raises(RoleFailedError, match="worker views ended with exit code 3, 4 times in a row"):
        await supervise([failing, steady], asyncio.Event(), first_pause_seconds=0.05, tries=4)
    assert runs.read_text() == "xxxx"
    assert not is_running(int(other.read_text()))


async def test_a_wrong_setting_is_not_tried_again(tmp_path: Path) -> None:
    wrong = role("bronze", "raise SystemExit(2)")
    with pytest.raises(RoleFailedError, match="worker bronze refuses its settings"):
        await supervise([wrong], asyncio.Event(), first_pause_seconds=60)


async def test_stopping_during_a_pause_ends_at_once(tmp_path: Path) -> None:
    stop = asyncio.Event()
    supervised = asyncio.create_task(
        supervise([role("views", "raise SystemExit(1)")], stop, first_pause_seconds=600)
    )
    done, _ = await asyncio.wait({supervised}, timeout=1.0)
    assert not done
    stop.set()
    await asyncio.wait_for(supervised, 5)


def test_each_role_has_a_metrics_port_of_its_own() -> None:
    settings = Settings.load({"SLUICE_METRICS_PORT": "9200"})
    assert [one.port for one in commands(settings, ("views", "bronze", "gates"))] == [9200, 9201, 9202]
    any_free = Settings.load({"SLUICE_METRICS_PORT": "0"})
    assert [one.port for one in commands(any_free, ("views", "gates"))] == [0, 0]
    too_high = Settings.load({"SLUICE_METRICS_PORT": "65534"})
    with pytest.raises(SettingError, match="SLUICE_METRICS_PORT"):
        commands(too_high, ("views", "bronze", "gates"))


def test_each_process_has_a_port_a_folder_and_an_instance_of_its_own(tmp_path: Path) -> None:
    environ = {"SLUICE_METRICS_PORT": "9200", "SLUICE_DATA_DIR": str(tmp_path), "SLUICE_INSTANCE": "pod-0"}
    made = views_commands(Settings.load(environ), 2)
    assert [(one.name, one.port) for one in made] == [("views-1", 9200), ("views-2", 9201)]
    assert [one.variables for one in made] == [
        {"SLUICE_DATA_DIR": str(tmp_path / f"views-{number}"), "SLUICE_INSTANCE": f"pod-0-{number}"}
        for number in (1, 2)
    ]


def test_processes_are_members_without_an_instance_where_none_is_set() -> None:
    made = views_commands(Settings.load({}), 3)
    assert [set(one.variables) for one in made] == [{"SLUICE_DATA_DIR"}] * 3


def test_what_no_process_could_be_given_is_refused_before_any_is_started() -> None:
    with pytest.raises(SettingError, match=r"SLUICE_METRICS_PORT.*at most 65534: each of 2 processes"):
        views_commands(Settings.load({"SLUICE_METRICS_PORT": "65535"}), 2)
    with pytest.raises(SettingError, match="SLUICE_INSTANCE"):
        views_commands(Settings.load({"SLUICE_INSTANCE": "x" * 99}), 2)
