"""What the commands of `sluice schemas` share: of whose events they are."""

from __future__ import annotations

import click

from schemas.catalogue import OWN
from schemas.extensions import Extension, extensions
from schemas.spec import EventSpec
from streams.cli.common import WrongUsage

extension_option = click.option(
    "--extension", metavar="PACKAGE", help="Of an extension that is loaded, instead of Sluice's own."
)


def loaded(package: str) -> Extension:
    """The extension of that name. Raises `WrongUsage` if it is not loaded."""
    there = {one.package: one for one in extensions()}
    if package not in there:
        names = ", ".join(there) or "none"
        raise WrongUsage(f"extension {package} is not loaded (SLUICE_EXTENSIONS): there is {names}")
    return there[package]


def declared(extension: str | None) -> dict[str, EventSpec]:
    """The events of an extension, or the project's own, by name."""
    return OWN if extension is None else {spec.name: spec for spec in loaded(extension).events}
