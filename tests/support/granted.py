"""Roles of Sluice that come to a secured Kafka as somebody of their own, with the rights that are printed."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

from click.testing import CliRunner

from streams.cli.main import main
from streams.kafka.acls import ROLES
from tests.support.acls import Entry, allow, entries_of
from tests.support.processes import Role, Sluice
from tests.support.secured import SecuredKafka

PASSWORDS = {role: f"the-password-of-{role}" for role in ROLES}
"""For SCRAM, of those who do not come by a certificate."""
SUBJECTS = {role: f"CN={role},O=The {role.title()} Team" for role in ("bronze", "api", "doctor")}
"""Of the certificates of the others."""


class Granted:
    """A Sluice whose roles are principals of one broker."""

    def __init__(self, sluice: Sluice, broker: SecuredKafka) -> None:
        self._sluice = sluice
        self._broker = broker

    def principal(self, role: str) -> str:
        return f"User:{SUBJECTS.get(role, role)}"

    def settings(self, role: str) -> dict[str, str]:
        """How a role gets in."""
        if role in SUBJECTS:
            return self._broker.entrance("MTLS", cert_file=self._broker.certificate_file(SUBJECTS[role]))
        password = self._broker.file(f"{role}-password", PASSWORDS[role])
        mechanism = "SCRAM-SHA-512"
        return self._broker.entrance("SASL_SSL", user=role, password_file=password, sasl_mechanism=mechanism)

    def printed(self, role: str) -> str:
        """The commands that are printed for a role, one a line."""
        words = ["topics", "list", "--acls", "--role", role, "--principal", self.principal(role)]
        done = CliRunner().invoke(main, words, env=self._sluice.environ(**self.settings(role)))
        assert done.exit_code == 0, done.output
        return done.stdout

    def entries(self, role: str) -> list[Entry]:
        """The same, entry by entry."""
        return [entry for line in self.printed(role).splitlines() for entry in entries_of(line)]

    async def grant(self, *roles: str) -> set[Entry]:
        """Let roles do what is printed for them."""
        entries = {entry for role in roles for entry in self.entries(role)}
        await allow(self._broker.bootstrap, entries)
        return entries

    async def run(self, role: str, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """A command, run by a role to its end."""
        return await asyncio.to_thread(self._sluice.run, *arguments, **self.settings(role), **more)

    async def does(self, role: str, *arguments: str, **more: Any) -> str:
        """The output of a command that has to do."""
        done = await self.run(role, *arguments, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def started(self, role: str, *arguments: str, name: str = "", **more: Any) -> Role:
        """A process of a role. `name`: another one."""
        return self._sluice.started(name or role, *arguments, **self.settings(role), **more)
