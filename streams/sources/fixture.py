"""The small part of Online Retail that Sluice ships, for the demo and the tests, and how it is derived.

    python -m streams.sources.fixture path/to/online_retail.csv.gz

writes it again from the whole file: the lines of all invoices of three days, without descriptions and
customers. Source, licence and attribution lie beside it (fixtures/ATTRIBUTION.md).
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from pathlib import Path

import click

from streams.sources.files import InputFile
from streams.sources.online_retail import read_invoices
from streams.sources.online_retail_csv import HEADER, rows
from streams.sources.record import SourceError

FIXTURE = Path(__file__).parent / "fixtures" / "online_retail_2011-08-24_26.csv.gz"
FIRST_DAY, LAST_DAY = "2011-08-24", "2011-08-26"


def derive(file: InputFile) -> bytes:
    """The fixture's bytes, the same at every call. Raises `SourceError`."""
    chosen = {
        number
        for text_of_file in file.texts()
        for number, invoice in read_invoices(text_of_file).items()
        if FIRST_DAY <= invoice.at.date().isoformat() <= LAST_DAY
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for text_of_file in file.texts():
        for _, (number, stock_code, _, quantity, at, price, _, country) in rows(text_of_file):
            if number not in chosen:
                continue
            writer.writerow([number, stock_code, "", quantity, at, price, "", country])
    return gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)


def main(arguments: list[str]) -> int:
    """Write the fixture; 0 = done, 1 = the file cannot be read, 2 = wrong usage."""
    if len(arguments) != 1:
        click.echo("usage: python -m streams.sources.fixture FILE (the whole Online Retail CSV)", err=True)
        return 2
    try:
        data = derive(InputFile(arguments[0]))
    except SourceError as error:
        click.echo(error, err=True)
        return 1
    FIXTURE.write_bytes(data)
    click.echo(f"{FIXTURE}: {len(data):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
