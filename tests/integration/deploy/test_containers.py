"""deploy/Dockerfile and docker-compose.yml, built and run without Docker.

What is in the image, as whom it runs, what it may write, how it ends; and the file's services as they stand
there: their own ports, their own health checks, in their own order.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from streams.version import VERSION
from tests.support.containers.container import END_SECONDS, Container, Network, until
from tests.support.containers.image import Image
from tests.support.containers.stack import Stack
from tests.support.deployed import check_command
from tests.support.manifests import committed, secret_files, workloads
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.repeats import repeats
from tests.support.versity import gateway

ORDER = (
    ("worker-views-1", "worker-views-2", "worker-bronze", "worker-gates", "api", "ingest"),
    ("worker-audit",),  # waits for the api to be healthy
)
WATCHING = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
"""Debian's programs. Where one is not installed, compose's service is not looked at."""
SEEN_SECONDS = 60.0 * PATIENCE
TMPFS = {"/tmp": "", "/var/lib/sluice": "uid=10001,gid=10001"}


def test_it_says_what_it_is(image: Image) -> None:
    labels = {name.rpartition(".")[2]: value for name, value in image.labels.items()}
    assert labels["version"] == VERSION
    assert labels["licenses"] == "Apache-2.0"
    bill = json.loads((image.layer / image.labels["sluice.sbom"].lstrip("/")).read_text("utf-8"))
    there = {one["purl"] for one in bill["components"]}
    lock = (ROOT / "deploy/requirements.lock").read_text("utf-8")
    locked = map(Requirement, re.findall(r"^[a-z0-9._-]+==[^\\\n]+", lock, re.MULTILINE))
    for one in locked:  # those of other systems and Pythons are in the lock too
        if one.marker is None or one.marker.evaluate():
            assert f"pkg:pypi/{one.name}@{str(one.specifier).removeprefix('==')}" in there
    assert f"pkg:pypi/sluice@{VERSION}" in there
    assert not [one for one in there if one.startswith("pkg:pypi/pytest@")], "nothing that only tests need"


def test_its_commands_are_ours(image: Image) -> None:
    assert image.entrypoint == image.health[:1] == ["sluice"]
    check_command(image.health[1:])
    assert image.stop_signal == "SIGTERM"


@pytest.mark.parametrize("role", repeats("worker views", "worker bronze", "api", "ingest http"))
def test_a_role_runs_as_nobody_on_a_read_only_root_and_drains(image: Image, layers: Path, role: str) -> None:
    environ = {"SLUICE_KAFKA": "127.0.0.1:1"}
    with (
        Network() as network,
        Container(image, role.split(), layers / role, network=network, environ=environ, tmpfs=TMPFS) as one,
    ):
        until(lambda: one.is_healthy(image.health), "its health check", END_SECONDS)
        shell = "id -u; cat /proc/1/comm; grep -E 'CapEff|CapBnd' /proc/1/status"
        seen = one.run("sh", "-c", f"{shell}; touch /opt/sluice/x /x /var/lib/sluice/x")
        assert seen.stdout.split() == ["10001", "sluice", "CapEff:", "0" * 16, "CapBnd:", "0" * 16]
        refused = re.findall(r"touch: cannot touch '(.+)': Read-only file system", seen.stderr)
        assert refused == ["/opt/sluice/x", "/x"]
        assert one.stop() == 0, one.said()
        assert "Traceback" not in one.said()


def test_without_a_role_it_says_what_there_is(image: Image, layers: Path) -> None:
    with (
        Network() as network,
        Container(image, (), layers / "help", network=network, environ={}, tmpfs=TMPFS) as one,
    ):
        assert one.end() == 0
        assert "  worker      Run a worker." in one.said()


def test_a_wrong_setting_ends_it_and_is_named(image: Image, layers: Path) -> None:
    environ = {"SLUICE_KAFKA": "kafka"}
    with (
        Network() as network,
        Container(
            image, ("worker", "views"), layers / "wrong", network=network, environ=environ, tmpfs=TMPFS
        ) as one,
    ):
        assert one.end() == 2
        assert one.said().startswith("sluice: SLUICE_KAFKA='kafka' is not allowed")


@pytest.mark.parametrize("role", repeats("api", "ingest", "views", "bronze", "gates", "audit"))
def test_a_pod_of_kubernetes_answers_its_probes(
    image: Image, layers: Path, role: str, tmp_path: Path
) -> None:
    """With the environment and the files that its manifest gives it, where nobody knows Kafka's name."""
    (workload,) = (one for one in workloads(committed()) if one.role == role)
    files = secret_files(workload, tmp_path)
    with (
        Network() as network,
        Container(
            image, workload.container["args"], layers / f"pod-{role}", network=network,
            environ=workload.environ, tmpfs=TMPFS, files=files,
        ) as pod,
    ):  # fmt: skip
        (port,) = (one["containerPort"] for one in workload.container["ports"])

        def answer(probe: str) -> str:
            path = workload.container[probe]["httpGet"]["path"]
            asked = network.inside("wget", "-S", "-O", "-", f"http://127.0.0.1:{port}{path}")
            pod.process_1()  # or it has ended
            done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
            return done.stdout + done.stderr

        until(lambda: "200 OK" in answer("startupProbe"), "the startup probe", END_SECONDS)
        assert "200 OK" in answer("livenessProbe")
        assert "503 Service Unavailable" in answer("readinessProbe")
        assert pod.stop() == 0, pod.said()


@pytest.fixture
def stack(image: Image, layers: Path) -> Iterator[Stack]:
    folder = layers / "stack"
    folder.mkdir()
    with Stack(image, folder) as one:
        yield one


@pytest.mark.versity
@pytest.mark.timeout(240)  # a broker and nine processes start
def test_compose_starts_is_healthy_shows_events_and_drains(stack: Stack) -> None:
    if why := gateway.problem():
        pytest.skip(why)
    stack.start_kafka()
    stack.start_s3()
    for name in ("kafka", "s3"):
        stack.healthy(name)
    wrong = stack.start("topics", SLUICE_PARTITIONS="many")
    assert wrong.end() == 2
    assert wrong.said().startswith("sluice: SLUICE_PARTITIONS='many' is not allowed")
    assert stack.start("topics").end() == 0
    watching = {name: program for name, program in WATCHING.items() if shutil.which(program)}
    for name, program in watching.items():
        stack.start_program(name, program)
    for group in ORDER:
        for name in group:
            stack.start(name)
        for name in group:
            stack.healthy(name)
    assert {name for group in ORDER for name in group} | {"topics"} == {
        service.name for service in stack.services.values() if service.ours and not service.by_choice
    }
    stack.start("simulator")
    until(lambda: _answers(stack), "events in a view that is complete", SEEN_SECONDS)
    for name in watching:
        stack.healthy(name)
    if "prometheus" in watching:
        until(lambda: _all_scraped(stack), "Prometheus to have all of its targets", SEEN_SECONDS)
    _commits_to_s3(stack)
    _drains(stack)


def _answers(stack: Stack) -> bool:
    said = stack.inside("wget", "-q", "-O", "-", "http://127.0.0.1:8080/v1/views/kpi_funnel?window=1h")
    if said.returncode != 0:
        return False
    answer = json.loads(said.stdout)
    return bool(answer["complete"]) and sum(row["impressions"] for row in answer["rows"]) > 0


def _commits_to_s3(stack: Stack) -> None:
    """With the credentials of the file: told to end, the worker commits what it has."""
    bronze = stack.containers["worker-bronze"]
    assert bronze.stop() == 0, bronze.said()
    listed = stack.containers["api"].run("sluice", "bronze", "ls", "--json")
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout)


def _all_scraped(stack: Stack) -> bool:
    said = stack.inside("wget", "-q", "-O", "-", "http://127.0.0.1:9090/api/v1/targets?state=active")
    targets = json.loads(said.stdout)["data"]["activeTargets"] if said.stdout else []
    return {one["health"] for one in targets} == {"up"}


def _drains(stack: Stack) -> None:
    running = {name: one for name, one in stack.containers.items() if one.code is None}
    assert len(running) == 7
    for container in running.values():
        container.tell_to_stop()
    assert {name: container.end() for name, container in running.items()} == dict.fromkeys(running, 0)
