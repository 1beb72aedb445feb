"""A compose file: its services, with the defaults of its variables put in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

FILE = ROOT / "docker-compose.yml"


@dataclass(frozen=True)
class Service:
    """One service, as the file has it."""

    name: str
    declared: dict[str, Any]

    @property
    def ours(self) -> bool:
        """Whether it runs our image."""
        return "build" in self.declared

    @property
    def command(self) -> list[str]:
        return [str(word) for word in self.declared.get("command", ())]

    @property
    def environ(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.declared.get("environment", {}).items()}

    @property
    def health(self) -> list[str]:
        """The command of its health check; none where that is turned off."""
        check = self.declared["healthcheck"]
        kind, *command = ["CMD"] if check.get("disable") else check["test"]
        assert kind == "CMD", f"{self.name}: a health check without a shell"
        return command

    @property
    def by_choice(self) -> bool:
        """Whether it is started only where its profile is named."""
        return "profiles" in self.declared

    @property
    def tmpfs(self) -> dict[str, str]:
        """Folders that are memory, with mount options."""
        pairs = (one.partition(":") for one in self.declared.get("tmpfs", ()))
        return {where: options for where, _, options in pairs}

    @property
    def after(self) -> dict[str, str]:
        """The services it waits for, and until when."""
        return {name: one["condition"] for name, one in self.declared.get("depends_on", {}).items()}

    def mounts(self) -> Iterator[tuple[str, str, bool]]:
        """What is mounted, where, and whether it is read-only. A source with a slash is of this machine."""
        for one in self.declared.get("volumes", ()):
            source, where, *mode = one.split(":")
            yield source, where, mode == ["ro"]


def services(file: Path = FILE) -> dict[str, Service]:
    """All services by name."""
    found = yaml.safe_load(with_defaults(file.read_text("utf-8")))
    return {name: Service(name, declared) for name, declared in found["services"].items()}


def with_defaults(text: str) -> str:
    """The text with `${NAME:-default}` as compose reads it where nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
