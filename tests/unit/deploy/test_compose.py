"""docker-compose.yml: what it says exists, and is as Docker and our own commands want it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from streams.roles.notify.targets import read_targets
from streams.version import VERSION
from tests.support.containers.compose import FILE, Service, services
from tests.support.deployed import check_command, check_environ
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "tests/support/published/compose-spec.json").read_text("utf-8"))
ALL = services()
OURS = [service for service in ALL.values() if service.ours]
LONG_RUNNING = [service for service in ALL.values() if "restart" in service.declared]


def problems(document: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]


def test_compose_reads_it() -> None:
    assert problems(yaml.safe_load(FILE.read_text("utf-8"))) == []


def test_what_compose_does_not_know_would_be_seen() -> None:
    document = yaml.safe_load(FILE.read_text("utf-8"))
    document["services"]["api"]["memory_limit"] = "1G"
    assert any("memory_limit" in problem for problem in problems(document))


def service_environ(service: Service) -> dict[str, str]:
    """Its environment, with what is mounted from the repository where it lies here."""
    mounted = {where: ROOT / source for source, where, _ in service.mounts()}
    found = dict(service.environ)
    for name, value in found.items():
        for where, here in mounted.items():
            if value.startswith(f"{where}/"):
                found[name] = str(here / value.removeprefix(f"{where}/"))
    return found


@pytest.mark.parametrize("service", OURS, ids=lambda service: service.name)
def test_our_commands_and_settings_exist(service: Service) -> None:
    check_command(service.command)
    if service.health:
        assert service.health[0] == "sluice"
        check_command(service.health[1:])
    check_environ(service_environ(service))
    assert service.declared["image"] == f"sluice:{VERSION}"
    assert service.declared["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile"}


@pytest.mark.parametrize("service", ALL.values(), ids=lambda service: service.name)
def test_each_is_bounded_and_looked_at(service: Service) -> None:
    limits = service.declared["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}
    if service in LONG_RUNNING and service.name != "simulator":
        assert service.health
    assert re.search(r":v?\d+\.\d+\.\d+$", service.declared["image"]), "an image by its version"
    for name in service.after:
        assert name in ALL


def test_the_example_of_who_is_told_is_one() -> None:
    assert read_targets(ROOT / "deploy/notify/notify.toml")


def test_every_file_that_is_mounted_is_there() -> None:
    declared = yaml.safe_load(FILE.read_text("utf-8"))["volumes"]
    for service in ALL.values():
        for source, _, _ in service.mounts():
            assert (ROOT / source).exists() if "/" in source else source in declared, (service.name, source)


def test_our_processes_run_without_rights_and_write_to_memory_alone() -> None:
    for service in OURS:
        assert service.declared["read_only"] is True
        assert service.declared["cap_drop"] == ["ALL"]
        assert service.declared["security_opt"] == ["no-new-privileges:true"]
        assert all(read_only for _, _, read_only in service.mounts())
        assert set(service.tmpfs) == {"/tmp", "/var/lib/sluice"}


def test_a_wrong_setting_ends_the_first_of_all() -> None:
    """`sluice.env` is read by every process, and `topics` has to have ended well before another starts."""
    for service in OURS:
        assert service.declared["env_file"] == [{"path": "sluice.env", "required": False}]
        waits, seen = dict(service.after), set[str]()
        while waits:
            name, condition = waits.popitem()
            if name == "topics":
                assert condition == "service_completed_successfully"
                break
            seen.add(name)
            waits |= {one: when for one, when in ALL[name].after.items() if one not in seen}
        else:
            assert service.name == "topics"


def test_no_two_listen_on_one_port() -> None:
    """They share the host's network. That each really listens there: tests/integration/deploy."""
    workers = [service for service in OURS if "worker" in service.health]
    ports = [check_environ(service_environ(worker)).metrics_port for worker in workers]
    settings = check_environ(ALL["api"].environ)
    ports += [settings.http_port, settings.ingest_port, *map(_own_port, ("kafka", "s3", "prometheus"))]
    ports += [9095, *map(_own_port, ("alertmanager", "grafana"))]
    assert len(set(ports)) == len(ports), ports


def _own_port(service: str) -> int:
    """Where its health check asks."""
    (port,) = re.findall(r"127\.0\.0\.1:(\d+)", " ".join(ALL[service].health))
    return int(port)


def test_prometheus_scrapes_each_of_our_processes() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    scraped = {
        target
        for job in config["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    settings = check_environ(ALL["api"].environ)
    expected = {f"127.0.0.1:{settings.http_port}", f"127.0.0.1:{settings.ingest_port}"}
    for service in OURS:
        if "worker" in service.health and not service.by_choice:
            expected.add(f"127.0.0.1:{check_environ(service.environ).metrics_port}")
    assert expected <= scraped


def test_grafana_finds_its_dashboards_and_has_what_asks_their_sources() -> None:
    grafana = ALL["grafana"]
    mounted = {where: ROOT / source for source, where, _ in grafana.mounts()}
    declared = yaml.safe_load((ROOT / "deploy/grafana/dashboards.yml").read_text("utf-8"))["providers"]
    for provider in declared:
        assert list(mounted[provider["options"]["path"]].glob("*.json"))
    sources = yaml.safe_load((ROOT / "deploy/grafana/datasources.yml").read_text("utf-8"))["datasources"]
    plugins = grafana.environ["GF_PLUGINS_PREINSTALL"].split(",")
    assert {source["type"] for source in sources} == {"prometheus", *plugins}
    settings = check_environ(ALL["api"].environ)
    prometheus = f"http://127.0.0.1:{_own_port('prometheus')}"
    assert {source["url"] for source in sources} == {prometheus, f"http://127.0.0.1:{settings.http_port}"}


def test_the_file_of_settings_is_kept_out_of_git_and_of_the_image() -> None:
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    assert "sluice.env" in ignored
    assert Path(ROOT / ".dockerignore").read_text("utf-8").startswith("*\n")
