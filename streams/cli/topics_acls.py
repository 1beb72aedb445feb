"""`sluice topics list --acls`: commands for Kafka's own tool."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from streams.cli.common import echo_json
from streams.cli.tsv import echo_tsv
from streams.kafka.acls import Acl, acls
from streams.settings import Settings

MEMBERS = ("principal", "resource", "name", "pattern", "operations", "roles")
ADMIN_PROPERTIES = "admin.properties"


def echo_acls(
    settings: Settings, principal: str, roles: Sequence[str], *, as_json: bool, as_tsv: bool
) -> None:
    """Kafka is not asked: whoever prints this may have no right yet."""
    wanted = acls(settings, roles)
    listed = [{"principal": principal, **acl._asdict()} for acl in wanted]
    if as_json:
        echo_json({"acls": listed})
    elif as_tsv:
        echo_tsv(MEMBERS, listed)
    else:
        for acl in wanted:
            click.echo(command_of(settings, principal, acl))


def command_of(settings: Settings, principal: str, acl: Acl) -> str:
    """A line for a shell."""
    words = ["kafka-acls", "--bootstrap-server", ",".join(settings.kafka)]
    if settings.kafka_security != "PLAINTEXT":
        words += ["--command-config", ADMIN_PROPERTIES]
    words += ["--add", "--allow-principal", principal]
    for operation in acl.operations:
        words += ["--operation", operation]
    words += [f"--{acl.resource}", acl.name]
    if acl.pattern != "literal":
        words += ["--resource-pattern-type", acl.pattern]
    return shlex.join(words)
