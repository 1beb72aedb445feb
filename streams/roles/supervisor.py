"""`sluice worker all` and `sluice worker views --processes N`: workers as processes of one command, for one
machine.

A worker that ends is restarted after a pause that doubles; one that keeps ending ends all of them. A signal
is forwarded, and every worker drains as if it had been started alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agents.backoff import Backoff
from streams import logs, shutdown
from streams.data_dir import writable_data_dir
from streams.roles.gates.limits import check_gates
from streams.settings import PREFIX, SettingError, Settings, child_environment

log = logging.getLogger(__name__)

ROLES = ("views", "bronze", "gates")

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A role that ran for this long has started well: the next failure counts as the first."""
TRIES = 6
STOP_SECONDS = 9.3
"""Roles end themselves `shutdown.LEAVE_SECONDS` after SIGTERM at the latest; one that does not is killed."""
LEAVE_SECONDS = 9.8
"""All of it is gone within 10 s of SIGTERM (docs/contract.md §7)."""
WRONG_USAGE = 2
"""The exit code of a wrong setting, which no restart would fix."""


class RoleFailedError(Exception):
    """A role keeps ending: `str()` names it and how it ended."""


@dataclass(frozen=True)
class RoleCommand:
    """A worker and the command line that runs it.

    `port`: its metrics port, 0 for any free one. `variables`: other settings of its own.
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    variables: Mapping[str, str] = field(default_factory=dict)


def sluice_command(*arguments: str) -> tuple[str, ...]:
    """The command line of `sluice` with these arguments.

    With `-P`: modules are not imported from the caller's folder, whatever it contains.
    """
    return (sys.executable, "-P", "-m", "streams.cli.main", *arguments)


def commands(settings: Settings, roles: Sequence[str]) -> list[RoleCommand]:
    """Each role's command line, and its metrics port: SLUICE_METRICS_PORT, + 1, … Raises `SettingError`."""
    return [
        RoleCommand(role, sluice_command("worker", role), port)
        for role, port in zip(roles, _ports(settings, len(roles), "roles"), strict=True)
    ]


def views_commands(settings: Settings, processes: int) -> list[RoleCommand]:
    """So many views workers, each with a metrics port, a data folder and, if SLUICE_INSTANCE is set, an
    instance of its own. Raises `SettingError`."""
    ports = _ports(settings, processes, "processes")
    made = []
    for number, port in enumerate(ports, 1):
        name = f"views-{number}"
        variables = {f"{PREFIX}DATA_DIR": str(settings.data_dir.absolute() / name)}
        if settings.instance:
            variables[f"{PREFIX}INSTANCE"] = f"{settings.instance}-{number}"
        made.append(RoleCommand(name, sluice_command("worker", "views", "--named", name), port, variables))
    Settings.load(child_environment(made[-1].variables))  # the longest instance may be too long
    return made


def _ports(settings: Settings, count: int, of: str) -> list[int]:
    """Consecutive metrics ports; all 0 if that is the setting. Raises `SettingError`."""
    base = settings.metrics_port
    if base + count - 1 > 65535:
        allowed = f"at most {65536 - count}: each of {count} {of} takes one more"
        raise SettingError(f"{PREFIX}METRICS_PORT", str(base), allowed)
    return [base + number if base else 0 for number in range(count)]


def roles_of(settings: Settings) -> tuple[str, ...]:
    """What `worker all` runs: who tells people of alarms only where it is said who they are."""
    return ROLES if settings.notify_file is None else (*ROLES, "notify")


def run_all(settings: Settings, roles: Sequence[str] | None = None) -> None:
    """Run the roles until SIGTERM or SIGINT. Raises `SettingError`, and `RoleFailedError` if one can't be
    kept up."""
    check_gates(settings)
    _run(settings, commands(settings, roles_of(settings) if roles is None else roles))


def run_views_processes(settings: Settings, processes: int) -> None:
    """Run so many views workers until SIGTERM or SIGINT. Raises what `run_all` raises."""
    _run(settings, views_commands(settings, processes))


def _run(settings: Settings, workers: Sequence[RoleCommand]) -> None:
    writable_data_dir(settings)
    logs.configure(settings)
    shutdown.run(_run_all(workers), LEAVE_SECONDS)


async def _run_all(roles: Sequence[RoleCommand]) -> None:
    await supervise(roles, shutdown.stop_on_signals(LEAVE_SECONDS))


async def supervise(
    roles: Sequence[RoleCommand],
    stop: asyncio.Event,
    *,
    first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    tries: int = TRIES,
) -> None:
    """Keep the roles up until `stop`. Raises `RoleFailedError`, after ending the others, if one can't be."""
    kept = [asyncio.create_task(_keep_up(role, stop, first_pause_seconds, tries)) for role in roles]
    done, _ = await asyncio.wait(kept, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    await asyncio.gather(*kept, return_exceptions=True)
    for task in done:
        task.result()


async def _keep_up(role: RoleCommand, stop: asyncio.Event, pause_seconds: float, tries: int) -> None:
    failures, backoff = 0, Backoff(LONGEST_PAUSE_SECONDS, pause_seconds)
    while not stop.is_set():
        started = time.monotonic()
        code = await _run_once(role, stop)
        if stop.is_set():
            return
        if time.monotonic() - started >= STEADY_SECONDS:
            failures = 0
            backoff.reset()
        failures += 1
        if code == WRONG_USAGE:
            raise RoleFailedError(f"worker {role.name} refuses its settings: its own line says which")
        if failures >= tries:
            raise RoleFailedError(f"worker {role.name} {_ended(code)}, {failures} times in a row")
        log.error("worker %s %s; it is started again in %.1f s", role.name, _ended(code), backoff.seconds)
        await backoff.pause(stop)


async def _run_once(role: RoleCommand, stop: asyncio.Event) -> int:
    """Run a role to its end, which `stop` requests; returns its exit code, negative for a signal."""
    process = await asyncio.create_subprocess_exec(
        *role.arguments,
        stdin=asyncio.subprocess.DEVNULL,
        env=child_environment({f"{PREFIX}METRICS_PORT": str(role.port), **role.variables}),
        # Ctrl-C reaches this process alone, which forwards it.
        start_new_session=True,
        preexec_fn=_die_with_parent(),
    )
    log.info("worker %s runs as process %d", role.name, process.pid)
    ended = asyncio.create_task(process.wait())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait({ended}, timeout=STOP_SECONDS)
        if not ended.done():
            log.error("worker %s did not end within %.0f s: it is killed", role.name, STOP_SECONDS)
            process.kill()
        return await ended
    finally:
        stopping.cancel()


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux a role ends when its supervisor is killed, so that none is left behind on its ports."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415

    prctl, pr_set_pdeathsig = ctypes.CDLL(None).prctl, 1
    return lambda: prctl(pr_set_pdeathsig, signal.SIGTERM)
