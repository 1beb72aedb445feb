"""docker-compose.yml started without Docker.

Our services run from the built image, the others as programs of this machine, with the file's own command
lines and environment; all in one network of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.embedded.broker import JARS, LOG_CONFIG
from tests.support.containers.compose import Service, services
from tests.support.containers.container import Container, Network, until
from tests.support.containers.image import Image
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.programs import ended
from tests.support.versity import gateway

JAVA = ("java", "-XX:+UseSerialGC", "-cp", f"{JARS}/*")
HEALTHY_SECONDS = 90.0 * PATIENCE
CHECK_SECONDS = 0.5
"""From one health check to the next: each starts a program, of which the stack's own ones have less then."""
CLUSTER = "c2x1aWNlLWNvbXBvc2UtMQ"


class Stack:
    """What runs of the file. Everything ends with the block."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.services = services()
        self.containers: dict[str, Container] = {}
        self.network = Network()
        self._image = image
        self._folder = folder
        self._runs = 0
        self._left = ExitStack()

    def __enter__(self) -> Self:
        self._left.enter_context(self.network)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.__exit__(kind, error, trace)

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command of this machine in the stack's network, as a browser or Prometheus would be."""
        return subprocess.run(
            self.network.inside(*command), capture_output=True, text=True, check=False, timeout=60 * PATIENCE
        )

    def start(self, name: str, **environ: str) -> Container:
        """One of our services, by the file."""
        service = self.services[name]
        self._runs += 1
        container = Container(
            self._image, service.command, self._folder / f"{name}.{self._runs}", network=self.network,
            environ={**service.environ, **environ}, tmpfs=service.tmpfs,
        )  # fmt: skip
        self.containers[name] = self._left.enter_context(container)
        return container

    def healthy(self, name: str) -> None:
        """Wait until its own health check succeeds."""
        check, container = self.services[name].health, self.containers.get(name)
        native = [] if container else self._native(self.services[name], check)

        def is_healthy() -> bool:
            return container.is_healthy(check) if container else self.inside(*native).returncode == 0

        until(is_healthy, f"{name} to be healthy", HEALTHY_SECONDS, CHECK_SECONDS)

    def start_kafka(self) -> None:
        """Kafka, with what the image makes of KAFKA_ variables: `KAFKA_NODE_ID` is `node.id`."""
        service = self.services["kafka"]
        heap = service.environ["KAFKA_HEAP_OPTS"].split()
        pairs = {
            name.removeprefix("KAFKA_").lower().replace("_", "."): value
            for name, value in service.environ.items()
            if name != "KAFKA_HEAP_OPTS"
        }
        pairs["log.dirs"] = str(self._folder / "kafka-data")
        config = self._folder / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in pairs.items()), "utf-8")
        java = [*JAVA, *heap, f"-Dlog4j2.configurationFile={LOG_CONFIG}"]
        made = self.inside(*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(config))
        assert made.returncode == 0, made.stdout + made.stderr
        self._program("kafka", [*java, "kafka.Kafka", str(config)])

    def start_s3(self) -> None:
        """Versity's gateway, with a folder for each volume."""
        service = self.services["s3"]
        for _, where, _ in service.mounts():
            (self._folder / "s3" / where.lstrip("/")).mkdir(parents=True)
        command = [self._at(word, "/data", self._folder / "s3/data") for word in service.command]
        self._program("s3", [str(gateway.program), *command], **service.environ)

    def start_program(self, name: str, program: str) -> None:
        """A program of this machine in place of an image's."""
        service = self.services[name]
        command = service.command
        for source, where, _ in service.mounts():
            here = ROOT / source if "/" in source else self._folder / source
            here.mkdir(exist_ok=True)
            command = [self._at(word, where, here) for word in command]
        self._program(name, [program, *command])

    @staticmethod
    def _at(word: str, where: str, here: Path) -> str:
        """A word of a command line in which a path of the container is one of this machine."""
        return re.sub(rf"(?<![\w/]){where}(?=/|$)", str(here), word)

    def _native(self, service: Service, check: Sequence[str]) -> list[str]:
        if service.name == "kafka":
            _, *options = check
            command = "org.apache.kafka.tools.BrokerApiVersionsCommand"
            return [*JAVA, "-XX:TieredStopAtLevel=1", command, *options]
        assert shutil.which(check[0]) is not None, f"{check[0]} is missing: apt-get install {check[0]}"
        return list(check)

    def _program(self, name: str, command: Sequence[str], **environ: str) -> None:
        log = self._folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                self.network.inside(*command), env={**os.environ, **environ}, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out,
            )  # fmt: skip
        self._left.callback(ended, process)
