"""What is asked of every command and variable that deploy/ has, in whichever file it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from streams.cli.main import main
from streams.settings import PREFIX, Settings, unknown_variables

AWS = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""What obstore reads besides (docs/bronze.md)."""


def check_command(arguments: Sequence[str]) -> None:
    """Have click read `sluice …` to its last option, without running it."""
    command: click.Command = main
    context = click.Context(main, info_name="sluice")
    rest = list(arguments)
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, f"there is no command {name}"
        command = found
        context = click.Context(command, info_name=name, parent=context)
    command.make_context(command.name, rest, parent=context.parent)


def check_environ(environ: Mapping[str, str]) -> Settings:
    """Every variable is a setting or AWS's, and every value is accepted; answers the settings."""
    assert unknown_variables(environ) == []
    others = [name for name in environ if not name.startswith(PREFIX) and name not in AWS]
    assert others == [], "nobody reads these"
    return Settings.load(environ)
