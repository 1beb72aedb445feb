"""Access lists: what `sluice topics list --acls` prints, given to a broker and taken back, entry by entry."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional_id": 5}
PATTERNS = {"literal": 3, "prefixed": 4}
OPERATIONS = {
    "All": 2, "Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8, "ClusterAction": 9,
    "DescribeConfigs": 10, "AlterConfigs": 11, "IdempotentWrite": 12,
}  # fmt: skip
"""Kafka's numbers of them."""
ALLOW, ANY_HOST = 3, "*"
ALLOWED = re.compile(
    r"is Allowed .* based on rule MatchingAcl\(acl=StandardAcl\[resourceType=(\w+), resourceName=([^,]+),"
    r" patternType=(\w+), principal=(.+?), host=\*, operation=(\w+),"
)
DENIED = re.compile(r"(Principal = (.+?) is Denied .*)")


class Entry(NamedTuple):
    """One operation on one resource, allowed to one principal."""

    principal: str
    resource: str
    name: str
    pattern: str
    operation: str

    def __str__(self) -> str:
        return f"{self.operation} {self.resource.replace('_', ' ')} {self.name}"


def entries_of(command: str) -> Iterator[Entry]:
    """What a line with a `kafka-acls` command adds, read as that does."""
    program, *words = shlex.split(command)
    assert program == "kafka-acls"
    parser = argparse.ArgumentParser(exit_on_error=False)
    for name in ("--bootstrap-server", "--command-config", "--allow-principal"):
        parser.add_argument(name)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--operation", action="append", choices=OPERATIONS)
    parser.add_argument("--resource-pattern-type", default="literal", choices=PATTERNS)
    for resource in ("topic", "group", "transactional-id"):
        parser.add_argument(f"--{resource}", action="append", default=[])
    said = parser.parse_args(words)
    for resource in ("topic", "group", "transactional_id"):
        for name in getattr(said, resource):
            for operation in said.operation:
                yield Entry(said.allow_principal, resource, name, said.resource_pattern_type, operation)


async def allow(bootstrap: str, entries: Iterable[Entry]) -> None:
    """Add entries to a broker's access list."""
    for answer in await _sent(bootstrap, CreateAclsRequest, entries):
        assert [code for code, _ in answer.creation_responses] == [0], answer


async def take_back(bootstrap: str, entries: Iterable[Entry]) -> None:
    """Remove entries that are there."""
    for answer in await _sent(bootstrap, DeleteAclsRequest, entries):
        ((code, _, matching),) = answer.filter_responses
        assert (code, len(matching)) == (0, 1), answer


async def listed(bootstrap: str, principal: str) -> set[Entry]:
    """What a broker's access list has of a principal."""
    anything = DescribeAclsRequest(1, None, 1, principal, None, 1, 1)
    (answer,) = await _answers(bootstrap, [anything])
    resources, patterns, operations = _swapped(RESOURCES), _swapped(PATTERNS), _swapped(OPERATIONS)
    return {
        Entry(principal, resources[kind], name, patterns[pattern], operations[operation])
        for kind, name, pattern, entries in answer.resources
        for principal, _, operation, _ in entries
    }


class Decisions(NamedTuple):
    """What an authorizer has decided about principals: entries by which it allowed something, and what it
    denied, in its own words."""

    used: frozenset[Entry]
    denied: tuple[str, ...]


def decisions(log: str, principals: Collection[str]) -> Decisions:
    """Read them from a broker's log."""
    used = {
        Entry(principal, kind.lower(), name, pattern.lower(), _camel(operation))
        for kind, name, pattern, principal, operation in ALLOWED.findall(log)
        if principal in principals
    }
    denied = [(who, line) for line, who in DENIED.findall(log)]
    return Decisions(frozenset(used), tuple(line for who, line in denied if who in principals))


def _camel(operation: str) -> str:
    """DESCRIBE_CONFIGS as the tools take it."""
    return operation.title().replace("_", "")


def _swapped(numbers: Mapping[str, int]) -> dict[int, str]:
    return {number: name for name, number in numbers.items()}


async def _sent(bootstrap: str, kind: Any, entries: Iterable[Entry]) -> list[Any]:
    return await _answers(bootstrap, [kind(*_numbers(entry)) for entry in entries])


async def _answers(bootstrap: str, requests: Iterable[Any]) -> list[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        controller = admin._client.cluster.controller.nodeId
        return [await admin._send_request(request, controller) for request in requests]
    finally:
        await admin.close()


def _numbers(entry: Entry) -> tuple[int, str, int, str, str, int, int]:
    return (
        RESOURCES[entry.resource], entry.name, PATTERNS[entry.pattern], entry.principal, ANY_HOST,
        OPERATIONS[entry.operation], ALLOW,
    )  # fmt: skip
