"""Which process each member of a consumer group is, to distinguish two with one SLUICE_INSTANCE.

A broker gives a static member's place to the process that joins with its `group.instance.id`, and describes
it by the client id of its first holder: every member of Sluice therefore states in its subscription which
process it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.coordinator.assignors.sticky.sticky_assignor import (
    StickyAssignorUserDataV1,
    StickyPartitionAssignor,
)
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberMetadata
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)

from streams.kafka.availability import connected_admin
from streams.settings import Settings

MAGIC = b"\x00sluice\x01"
UUID_LENGTH = 36
ROLES = ("views", "bronze", "gates")
LOOK_SECONDS = 0.5
NOT_NOW = (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, GroupLoadInProgressError)
"""No group has ever been there, or its coordinator is moving."""


def started_at(pid: int) -> str | None:
    """When a process of this machine began, in clock ticks since boot; None: there is none, or it is dead.

    A pid is reused, in containers at once; together with its start time it is not. Without `/proc`, a process
    that exists has begun at `?`.
    """
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        return "?" if _answers(pid) else None
    state, began = fields[0], fields[19]
    return None if state in "ZX" else began


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True)
class Process:
    """A process that is a member of a group. `began`: see `started_at`; `nonce` is unique to it."""

    host: str
    pid: int
    began: str
    nonce: str

    @classmethod
    def this(cls) -> Process:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), started_at(os.getpid()) or "?", uuid.uuid4().hex[:12])

    @classmethod
    def decode(cls, user_data: bytes) -> Process | None:
        """What follows the assignor's own data; None for a member that does not state it."""
        _, magic, said = user_data.rpartition(MAGIC)
        parts = said.decode("utf-8", "replace").split(" ", 3)
        if not magic or len(parts) != 4 or not parts[0].isdecimal():
            return None
        return cls(parts[3], int(parts[0]), parts[1], parts[2])

    def encode(self) -> bytes:
        """As a member states it."""
        return MAGIC + f"{self.pid} {self.began} {self.nonce} {self.host}".encode()

    def is_gone(self) -> bool:
        """Whether it was a process of this machine and no longer exists."""
        if self.pid == THIS.pid and self.host == THIS.host:
            return self.nonce != THIS.nonce
        return self.host == socket.gethostname() and started_at(self.pid) != self.began

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


THIS = Process.this()


@dataclass(frozen=True)
class Member:
    """A member of a consumer group. `process`: None if it does not state it, as between two assignments."""

    member_id: str
    client_host: str
    process: Process | None

    @property
    def instance(self) -> str:
        """A static member's instance; otherwise the client id (a broker appends a UUID to either)."""
        with contextlib.suppress(ValueError):
            uuid.UUID(self.member_id[-UUID_LENGTH:])
            return self.member_id[: -UUID_LENGTH - 1]
        return ""

    def __str__(self) -> str:
        return str(self.process) if self.process else f"a process at {self.client_host.lstrip('/')}"


class InstanceAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """The sticky assignor; its members also state which process they are, after the assignor's own data."""

    @classmethod
    def _metadata(cls, topics: Iterable[str], partitions: Any, generation: int = -1) -> Any:
        topics = list(topics)
        made = super()._metadata(topics, partitions, generation)
        data = made.user_data or StickyAssignorUserDataV1([], cls.DEFAULT_GENERATION_ID).encode()
        return ConsumerProtocolMemberMetadata(cls.version, topics, data + THIS.encode())


def client_id(role: str, process: Process = THIS) -> str:
    """What a consumer is called in a broker's logs and by `kafka-consumer-groups.sh --members`."""
    return f"sluice-{role}@{process.host}:{process.pid}"


def members_of(response: Any) -> list[Member]:
    """The members in the response to a DescribeGroups request for one group. Raises aiokafka's errors."""
    found = []
    for error, *_, members in (group[:6] for group in response.groups):
        if error:
            raise for_code(error)("describing a consumer group")
        for member_id, _, host, metadata, _ in members:
            found.append(Member(member_id, host, _process_of(bytes(metadata or b""))))
    return found


def _process_of(metadata: bytes) -> Process | None:
    if not metadata:
        return None
    try:
        return Process.decode(ConsumerProtocol.METADATA.decode(metadata).user_data or b"")
    except Exception:  # noqa: BLE001 - of a member that is not ours, in whatever format
        return None


@dataclass(frozen=True)
class Duplicate:
    """Several living processes that share one instance in one role."""

    role: str
    instance: str
    processes: tuple[Process, ...]

    def __str__(self) -> str:
        who = " and ".join(map(str, self.processes))
        return f"SLUICE_INSTANCE={self.instance} is that of {who} in the role {self.role}"


async def members(settings: Settings, role: str) -> list[Member]:
    """The current members of a role's group; none if there is no such group. Raises aiokafka's errors."""
    async with connected_admin(settings) as admin:
        (response,) = await admin.describe_consumer_groups([settings.group(role)])
        return members_of(response)


async def duplicate_instances(settings: Settings, seconds: float = 3.0) -> list[Duplicate]:
    """Instances that several living processes take from each other, as seen within `seconds`.

    A broker knows one holder at a time, so several checks are needed; a holder that was replaced once by a
    process after its own death is not a duplicate. Raises aiokafka's errors.
    """
    seen: defaultdict[tuple[str, str], dict[str, Process]] = defaultdict(dict)
    deadline = time.monotonic() + seconds
    while True:
        for role in ROLES:
            for member in await _members_or_none(settings, role):
                if member.process is not None and member.instance != client_id(role, member.process):
                    seen[role, member.instance][member.process.nonce] = member.process
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(LOOK_SECONDS)
    living = {key: tuple(p for p in found.values() if not p.is_gone()) for key, found in seen.items()}
    return [Duplicate(*key, processes) for key, processes in living.items() if len(processes) > 1]


async def _members_or_none(settings: Settings, role: str) -> list[Member]:
    try:
        return await members(settings, role)
    except NOT_NOW:
        return []
