"""Prometheus and Alertmanager as Debian has them: their checks, themselves, and who they tell."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
import yaml

from streams.monitoring.files import ALERTMANAGER, RULES, monitoring_files
from streams.monitoring.objectives import STALE
from streams.monitoring.options import Options
from tests.support.kafka import wait_until
from tests.support.patience import PATIENCE
from tests.support.processes import Role, Sluice

LISTENING = r'msg="Listening on" address=([\d.]+:\d+)'
OFTEN = "500ms"


def needs(*programs: str, package: str) -> pytest.MarkDecorator:
    """Skips a test where a program is missing, and says how to get it."""
    missing = [program for program in programs if shutil.which(program) is None]
    reason = f"{', '.join(missing)}: not on PATH (Debian: apt-get install {package})"
    return pytest.mark.skipif(bool(missing), reason=reason)


needs_promtool = needs("promtool", "prometheus", package="prometheus")
needs_amtool = needs("amtool", "prometheus-alertmanager", package="prometheus-alertmanager")


def passes(*command: str | Path) -> None:
    """A check ends with 0; what it said is told otherwise."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


class Monitoring:
    """Prometheus and, where there are receivers, Alertmanager, of processes on known ports of this machine.

    `ports`: role and port of each process; `options`: of the rules.
    """

    def __init__(self, sluice: Sluice, ports: list[tuple[str, int]], options: Options) -> None:
        self._sluice = sluice
        self._folder = sluice.folder / "monitoring"
        self._ports = ports
        for path, content in monitoring_files(options).items():
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / path).write_text(content, encoding="utf-8")
        self._prometheus = self._alertmanager = ""

    async def start(self, *, alerting: bool) -> None:
        """Start them; returns when Prometheus has seen every process, and has evaluated the rules since.

        It gets the rules only then: to one that has just started, all processes are absent.
        """
        if alerting:
            _, self._alertmanager = await self._started(
                "prometheus-alertmanager", self._folder / ALERTMANAGER,
                f"--storage.path={self._folder}/am-data", "--cluster.listen-address=",
            )  # fmt: skip
        config = self._folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config([])), encoding="utf-8")
        prometheus, self._prometheus = await self._started(
            "prometheus", config, f"--storage.tsdb.path={self._folder}/data"
        )
        await wait_until(self._sees_all, "Prometheus to see all processes, and Alertmanager")
        config.write_text(yaml.safe_dump(self._config([str(self._folder / RULES)])), encoding="utf-8")
        prometheus.signal(signal.SIGHUP)
        await wait_until(lambda: self.query(STALE), "Prometheus to evaluate the rules")
        # With a new configuration it looks for Alertmanager anew, and tells it again only a minute later.
        await wait_until(self._sees_all, "Prometheus to find Alertmanager again")

    async def _sees_all(self) -> bool:
        async with httpx.AsyncClient(timeout=30, verify=False) as client:
            answer = await client.get(f"{self._prometheus}/api/v1/alertmanagers")
        if answer.status_code != 200:
            return False  # it listens before it is ready
        managed = not self._alertmanager or bool(answer.json()["data"]["activeAlertmanagers"])
        return managed and len(await self.query("up == 1")) == len(self._ports)

    async def _started(self, program: str, config: Path, *arguments: str) -> tuple[Role, str]:
        listens = ("--web.listen-address=127.0.0.1:0", f"--config.file={config}")
        role = self._sluice.program(program, program, *listens, *arguments)
        role.start()
        return role, f"http://{(await role.says(LISTENING))[1]}"

    def _config(self, rules: list[str]) -> dict[str, Any]:
        scraped = [{"targets": [f"127.0.0.1:{port}"], "labels": {"role": role}} for role, port in self._ports]
        managers = [{"targets": [self._alertmanager.removeprefix("http://")]}] if self._alertmanager else []
        return {
            "global": {"scrape_interval": OFTEN, "scrape_timeout": OFTEN, "evaluation_interval": OFTEN},
            "rule_files": rules,
            "scrape_configs": [{"job_name": "sluice-test", "static_configs": scraped}],
            "alerting": {"alertmanagers": [{"static_configs": managers}]},
        }

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """What Prometheus answers now: a list of `metric` and `value`."""
        async with httpx.AsyncClient(timeout=30, verify=False) as client:
            answer = await client.get(f"{self._prometheus}/api/v1/query", params={"query": expr})
        assert answer.status_code == 200, f"{expr}: {answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    async def alerts(self) -> dict[str, bool]:
        """The names of what fires at Alertmanager, and whether something else inhibits all of a name."""
        async with httpx.AsyncClient(timeout=30, verify=False) as client:
            answer = await client.get(f"{self._alertmanager}/api/v2/alerts")
        found: dict[str, bool] = {}
        for alert in answer.json():
            name = alert["labels"]["alertname"]
            found[name] = found.get(name, True) and bool(alert["status"]["inhibitedBy"])
        return found


class Receiver:
    """A webhook: what Alertmanager tells it, by path."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                told.append((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def url(self, path: str) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def of(self, path: str) -> list[dict[str, Any]]:
        """What was posted there."""
        return [body for at, body in self.told if at == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
