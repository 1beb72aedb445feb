"""Builds a Dockerfile's image without Docker: a stage is an overlay over this machine.

This machine stands in for the base image: what it has and the base has not would not be noticed. pip is uv,
which takes the same arguments and has what it fetched once: seconds instead of minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.containers.dockerfile import Context, Instruction, Stage, stages
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

MEMORY = Path("/dev/shm")
"""Where layers lie: one within the file system that it is laid over is refused."""
BASE_PATH = f"{sys.base_prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ("unshare", "nsenter", "setpriv", "chroot", "ip", "wget")
RUN_SECONDS = 120.0 * PATIENCE


def problem() -> str | None:
    """Why no image can be built and run here; None if it can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if sys.platform != "linux" or os.geteuid() != 0 or missing or not MEMORY.is_dir():
        return "images run in namespaces of Linux: it needs root, /dev/shm, util-linux, iproute2 and wget"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return None if tried.returncode == 0 else f"no namespaces here: {tried.stderr.decode().strip()}"


@dataclass
class Image:
    """What a build has made: its layer, and what is said about how it is to be run."""

    layer: Path
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH})
    labels: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    stop_signal: str = "SIGTERM"


def build(dockerfile: Path, context: Path, folder: Path) -> Image:
    """Build all stages below `folder`, which is in `MEMORY`; answers the last one's image."""
    made: dict[str, Image] = {}
    for number, stage in enumerate(stages(dockerfile.read_text("utf-8"))):
        work = folder / f"stage-{number}"
        for name in ("layer", "work", "root"):
            (work / name).mkdir(parents=True)
        image = _Builder(stage, Context(context), work, made).image()
        made[stage.name or "last"] = image
    return made["last"]


class _Builder:
    def __init__(self, stage: Stage, context: Context, folder: Path, made: Mapping[str, Image]) -> None:
        self._stage = stage
        self._context = context
        self._folder = folder
        self._made = made
        self._image = Image(folder / "layer")
        self._arguments: dict[str, str] = {}

    def image(self) -> Image:
        _open_to_all(Path(sys.base_prefix), self._image.layer)
        for one in self._stage.instructions:
            getattr(self, f"_{one.keyword.lower()}")(one)
        return self._image

    @property
    def _variables(self) -> dict[str, str]:
        return {**self._arguments, **self._image.environ}

    def _arg(self, one: Instruction) -> None:
        self._arguments.update(self._pairs(one))

    def _env(self, one: Instruction) -> None:
        self._image.environ.update(self._pairs(one))

    def _label(self, one: Instruction) -> None:
        self._image.labels.update(self._pairs(one))

    def _pairs(self, one: Instruction) -> dict[str, str]:
        return {
            name: value for name, _, value in (word.partition("=") for word in one.words(self._variables))
        }

    def _user(self, one: Instruction) -> None:
        self._image.user = one.text

    def _workdir(self, one: Instruction) -> None:
        self._image.folder = one.text

    def _stopsignal(self, one: Instruction) -> None:
        self._image.stop_signal = one.text

    def _entrypoint(self, one: Instruction) -> None:
        self._image.entrypoint = one.command()

    def _cmd(self, one: Instruction) -> None:
        self._image.command = one.command()

    def _healthcheck(self, one: Instruction) -> None:
        self._image.health = Instruction("CMD", {}, one.text.removeprefix("CMD ")).command()

    def _copy(self, one: Instruction) -> None:
        *sources, to = one.words(self._variables)
        target = self._image.layer / os.path.join(self._image.folder, to).lstrip("/")  # noqa: PTH118
        if stage := one.options.get("from"):
            (source,) = sources
            target.parent.mkdir(parents=True, exist_ok=True)
            _succeed(["cp", "-a", "--link", str(self._made[stage].layer / source.lstrip("/")), str(target)])
            return
        for source in sources:
            whole = (self._context.folder / source).is_dir()
            for file in self._context.files(source):
                beside = file.relative_to(source) if whole else Path(file.name)
                written = target / beside if whole or to.endswith("/") else target
                written.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._context.folder / file, written)

    def _run(self, one: Instruction) -> None:
        self._uv_for_pip()
        command = f"cd {self._image.folder}; {one.text}"
        cache = subprocess.run(
            [_uv(), "cache", "dir"], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        steps = (
            'mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layer,workdir=$1/work" "$1/root"',
            'for one in /proc /dev "$2"; do mount --rbind "$one" "$1/root$one"; done',
            'exec chroot "$1/root" env -i "${@:4}" bash -ec "$3"',
        )
        environ = {**_outside(), **self._image.environ, "HOME": "/root", "UV_CACHE_DIR": cache}
        pairs = [f"{name}={value}" for name, value in environ.items()]
        script = ["bash", "-ec", "\n".join(steps), "build", str(self._folder), cache, command, *pairs]
        _succeed(["unshare", "--mount", "--propagation", "private", *script])

    def _uv_for_pip(self) -> None:
        for pip in self._image.layer.glob("opt/*/bin/pip"):
            python = "/" / (pip.parent / "python").relative_to(self._image.layer)
            settings = f"{sys.executable} {ROOT}/deploy/dev/pip_settings.py"
            pip.unlink()
            pip.write_text(
                f'#!/bin/bash\neval "$({settings})"\n'
                f'exec {_uv()} --no-config pip "$1" --quiet --link-mode copy --python {python} "${{@:2}}"\n'
            )
            pip.chmod(0o755)


def _outside() -> dict[str, str]:
    """What a build has from outside here: how packages are fetched."""
    prefixes = ("PIP_", "UV_", "HTTP_", "HTTPS_", "NO_PROXY", "http", "no_proxy", "SSL_", "REQUESTS_")
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


def _uv() -> str:
    return str(Path(sys.executable).parent / "uv")


def _open_to_all(folder: Path, layer: Path) -> None:
    """Let everybody reach this machine's Python, as they do a base image's: it may be in a home folder."""
    for one in reversed([folder, *folder.parents][:-1]):
        mirror = layer / one.relative_to("/")
        mirror.mkdir(exist_ok=True)
        mirror.chmod(one.stat().st_mode | 0o055)


def _succeed(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_SECONDS)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
