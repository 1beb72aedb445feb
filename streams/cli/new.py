"""`sluice new`: begin a package with events and views of one's own (docs/extensions.md)."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.common import Failure, WrongUsage, echo_json, json_option, say


@click.command()
@click.argument("extension_dir", type=click.Path(path_type=Path))
@json_option
def new(*, extension_dir: Path, as_json: bool) -> None:
    """Write a working package to EXTENSION_DIR, by whose name it is called: an event, a view, their test.

    Nothing that is there is written over.

    \b
    Examples:
      sluice new acme_events
      sluice new ~/src/acme_events
    """
    from streams.extensions import skeleton  # noqa: PLC0415 - the catalogue takes a moment

    folder = extension_dir.expanduser().absolute()
    problem = skeleton.problem_of(folder.name)
    if problem is not None:
        raise WrongUsage(f"{folder.name or folder} {problem}")
    written = skeleton.files(folder.name)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise WrongUsage(f"{folder} is there already, and no empty folder: take another one")
        for path, content in written.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    if as_json:
        echo_json({"package": folder.name, "written": [str(folder / path) for path in written]})
        return
    for path in written:
        say(f"wrote {extension_dir / path}")
    click.echo()
    say(f"Install it where Sluice is (pip install --editable {extension_dir}), or, to try it at once:")
    say(f"  export PYTHONPATH={folder} SLUICE_EXTENSIONS={folder.name}")
    say("  sluice schemas list")
    say(f"  python -m pytest {extension_dir}")
