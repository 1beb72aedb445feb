"""Loads the packages that SLUICE_EXTENSIONS names, once a process, before the catalogue is built.

Every command does it first (`streams.cli.main`). What is declared then goes the way of the project's own
events and views: nothing else asks where a declaration is from.
"""

from __future__ import annotations

import importlib
import logging
import traceback
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from schemas.extensions import Extension, ExtensionError, add, extensions, in_use
from streams.setting_groups.rules import INSTALLED
from streams.settings import Settings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

log = logging.getLogger(__name__)

GROUP = "sluice.extensions"
"""The entry points' group: the value of each is the name of a package."""
VARIABLE = "SLUICE_EXTENSIONS"
HERE_ALONE = "declare with schemas.spec, schemas.types and tables.spec alone"


def load(environ: Mapping[str, str] | None = None) -> None:
    """Load what SLUICE_EXTENSIONS names; again it does nothing.

    Raises `SettingError`, and `ExtensionError` for a package that cannot be imported, or whose declarations
    are wrong or clash with others; `RuntimeError` if the catalogue is in use already without them.
    """
    load_packages(_wanted(Settings.one("extensions", environ)))


def load_packages(wanted: Mapping[str, str]) -> None:
    """The same for these packages; to each belongs who named it."""
    if in_use() and [one.package for one in extensions()] == [*wanted]:
        return
    add([_read(package, whose) for package, whose in wanted.items()])
    if not wanted:
        return
    try:
        importlib.import_module(
            "tables.gates.declared"
        )  # builds the catalogue and the views, with all checks
    except ExtensionError as error:
        package = str(error).partition(":")[0]
        raise ExtensionError(f"{wanted[package]}: {error}") from None


def announce() -> None:
    """Say in the log and in the metrics which were loaded: all processes are to have the same."""
    from streams import metrics  # noqa: PLC0415 - not for commands that have none

    for one in extensions():
        metrics.EXTENSION_INFO.labels(one.package, one.version).set(1)
        log.info(
            "extension %s %s: %d events, %d views, %d gates, %d adapters",
            one.package,
            one.version,
            len(one.events),
            len(one.views),
            len(one.gates),
            sum(map(len, one.adapters.values())),
        )


def _wanted(names: Iterable[str]) -> dict[str, str]:
    """Package → who named it."""
    found: dict[str, str] = {}
    for name in names:
        if name == INSTALLED:
            found |= {package: whose for package, whose in _installed().items() if package not in found}
        else:
            found.setdefault(name, VARIABLE)
    return found


def _installed() -> dict[str, str]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - not where packages are named

    points = sorted(entry_points(group=GROUP), key=lambda point: (point.value, point.name))
    return {_package_of(point): _named_by(point) for point in points}


def _package_of(point: EntryPoint) -> str:
    if point.attr or point.extras:
        raise ExtensionError(
            f"{_named_by(point)}: its value {point.value} is no package: give its name alone"
        )
    return point.module


def _named_by(point: EntryPoint) -> str:
    of = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    return f"entry point {point.name}{of} ({VARIABLE} names others, or none)"


def _read(package: str, whose: str) -> Extension:
    """What a package declares. Raises `ExtensionError`."""
    try:
        module = _imported(package)
        declared = _declared(module)
    except ExtensionError as error:
        raise ExtensionError(f"{whose}: {package}: {error}") from None
    return Extension(package, _version_of(package, module), **declared)


def _imported(package: str) -> ModuleType:
    before = in_use()
    module = _import(package)
    if in_use() and not before:
        raise ExtensionError(f"it uses the catalogue before it is part of it: {HERE_ALONE}")
    return module


def _import(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name or package
        if package == missing or package.startswith(f"{missing}."):
            raise ExtensionError(
                "there is no such package: install it where Sluice runs, or put the folder that it lies in on"
                " PYTHONPATH"
            ) from None
        raise ExtensionError(f"it needs {missing}, which is not installed: install that, too") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever its code does
        frames = traceback.extract_tb(error.__traceback__)
        at = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        said = " ".join(str(error).split())
        raise ExtensionError(f"it cannot be imported: {type(error).__name__}: {said}{at}") from None


def _declared(module: ModuleType) -> dict[str, Any]:
    from schemas.spec import Adapter, EventSpec  # noqa: PLC0415 - pydantic takes a moment
    from tables.spec.gate import Gate  # noqa: PLC0415
    from tables.spec.view import View  # noqa: PLC0415

    if not any(hasattr(module, name) for name in ("EVENTS", "VIEWS", "GATES", "ADAPTERS")):
        raise ExtensionError("it has neither EVENTS nor VIEWS nor GATES nor ADAPTERS: give it one of them")
    adapters = getattr(module, "ADAPTERS", {})
    if not isinstance(adapters, Mapping):
        raise ExtensionError(
            f"its ADAPTERS is a {type(adapters).__name__}: it must map an event's name to a tuple of adapters"
        )
    return {
        "events": _all_of(getattr(module, "EVENTS", ()), "EVENTS", EventSpec),
        "views": _all_of(getattr(module, "VIEWS", ()), "VIEWS", View),
        "gates": _all_of(getattr(module, "GATES", ()), "GATES", Gate),
        "adapters": {
            event: _all_of(those, f"ADAPTERS[{event!r}]", Adapter) for event, those in adapters.items()
        },
    }


def _all_of(declared: Any, name: str, kind: type) -> tuple[Any, ...]:
    if not isinstance(declared, tuple | list):
        raise ExtensionError(f"its {name} is a {type(declared).__name__}: it must be a tuple")
    for number, one in enumerate(declared):
        if not isinstance(one, kind):
            raise ExtensionError(
                f"its {name}[{number}] is a {type(one).__name__}: it must be a {kind.__name__}"
            )
    return tuple(declared)


def _version_of(package: str, module: ModuleType) -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version(package.partition(".")[0])
    except PackageNotFoundError:
        return str(getattr(module, "__version__", ""))
