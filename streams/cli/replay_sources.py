"""What `sluice replay` reads: its files, those of its folders, and each by its format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from schemas.validation.validator import Validator
from streams.cli.common import Failure, WrongUsage, say
from streams.settings import Settings
from streams.sources.documents import Tally
from streams.sources.files import STDIN, InputFile
from streams.sources.mappings.declared.load import MappingFile, MappingFileError, load
from streams.sources.mappings.formats import FORMATS as MAPPED
from streams.sources.mappings.mapped_file import MappedFile
from streams.sources.mappings.tally import MappingTally
from streams.sources.ndjson import Ndjson
from streams.sources.online_retail import OnlineRetail
from streams.sources.record import Source

FORMATS = ("ndjson", "online-retail", *MAPPED)
MOST_TOLD = 10

_IN_FOLDERS = re.compile(r"\.(json|jsonl|ndjson|csv|tsv)(\.(gz|bz2|xz|zst|zip))?$|\.zip$", re.IGNORECASE)

AnySource = Ndjson | OnlineRetail | MappedFile


def expanded(names: Sequence[str]) -> list[str]:
    """The files, and in place of a folder the files of events in it, by their names. Raises `WrongUsage`."""
    found: list[str] = []
    for name in names:
        folder = Path(name)
        if name == STDIN or not folder.is_dir():
            found.append(name)
            continue
        inside = sorted(
            str(path) for path in folder.rglob("*") if path.is_file() and _IN_FOLDERS.search(path.name)
        )
        if not inside:
            raise WrongUsage(
                f"{name}: in this folder are no files of events (.json, .ndjson, .csv, …, packed or not)"
            )
        found += inside
    return found


def loaded(path: str) -> MappingFile:
    """A mapping file that is right. Raises `WrongUsage`, a line for each problem."""
    try:
        return load(Path(path))
    except MappingFileError as error:
        raise WrongUsage(str(error)) from None


def check_examples(path: str) -> None:
    """Run the examples of a mapping file, and say how it went. Raises `WrongUsage`, `Failure`."""
    mapping = loaded(path)
    wrong = mapping.wrong_examples(Validator(Settings.load().max_event_bytes))
    if wrong:
        raise Failure("\n".join(wrong))
    count = len(mapping.examples)
    say(f"{path}: is right" + (f", and so are its {count} examples" if count else "; it has no examples"))


def source_of(
    file: InputFile, format_name: str, mapping: MappingFile | None, settings: Settings, *, force: bool
) -> AnySource:
    """What reads a file."""
    validator = Validator(settings.max_event_bytes)
    if mapping is not None:
        return MappedFile(file, mapping, validator, delimiter=mapping.delimiter, force=force)
    if format_name in MAPPED:
        return MappedFile(file, MAPPED[format_name](settings), validator, force=force)
    return OnlineRetail(file) if format_name == "online-retail" else Ndjson(file, force=force)


def tally_of(sources: Sequence[Source]) -> Tally:
    """What the files of envelopes had that can be no event."""
    tallies = [source.tally for source in sources if isinstance(source, Ndjson)]
    return Tally(
        sum(tally.not_objects for tally in tallies),
        sum(tally.not_envelopes for tally in tallies),
    )


def mapping_tally_of(sources: Sequence[Source]) -> MappingTally | None:
    """What became of the values of mapped files; None where no file is one."""
    found = [source.tally for source in sources if isinstance(source, MappedFile)]
    total = MappingTally()
    for tally in found:
        total.add(tally)
    return total if found else None


def tell(tally: MappingTally) -> None:
    """Say what was no event, and why: of each cause how often, and where first."""
    left_out = sum(tally.not_for_us.values())
    if left_out:
        common = tally.not_for_us.most_common(MOST_TOLD)
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in common)
        more = len(tally.not_for_us) - len(common)
        say(f"not for us: {left_out:,} ({kinds}" + (f" and {more} more types)" if more else ")"))
    if tally.refused:
        say(f"refused: {tally.refusals:,}, not sent:", err=True)
        causes = sorted(tally.refused.values(), key=lambda cause: -cause.count)
        for cause in causes[:MOST_TOLD]:
            why = cause.why
            say(f"  {cause.count:,} × {why.code} {why.reason}: {why.detail} (first: {cause.first})", err=True)
        if len(causes) > MOST_TOLD:
            say(f"  and {len(causes) - MOST_TOLD} more causes: --json has them all", err=True)


def report(tally: MappingTally | None) -> dict[str, Any]:
    """The members of `--json` that mapped files add."""
    return {} if tally is None else tally.report()


def ends_with_failure(tally: MappingTally | None) -> bool:
    """Whether something was refused: then the replay is not all that its files have."""
    return tally is not None and bool(tally.refused)


def check_usage(files: Sequence[str], map_file: str | None, format_name: str | None, *, check: bool) -> None:
    """Raises `click.UsageError` where the options do not fit each other."""
    if map_file is not None and format_name is not None:
        raise click.UsageError("--map says what the files are: leave out --format")
    if check and map_file is None:
        raise click.UsageError("--check is for a mapping file: --map FILE")
    if not check and not files:
        raise click.UsageError("Missing argument 'FILE…'.")
