"""The small part of Online Retail that Sluice ships, for the demo and the tests, and how it is derived.

    python -m streams.sources.fixture path/to/online_retail.csv.gz

writes it again from the whole file: the lines of all invoices of three days, without descriptions and
customers. Source, licence and attribution lie beside it (fixtures/ATTRIBUTION.md).
"""

from __future__ import annotations

import csv
import gzip
import io
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


@click.command()
@click.argument("path")
def main(path: str) -> None:
    """Write the fixture again from PATH, the whole Online Retail CSV."""
    try:
        data = derive(InputFile(path))
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    FIXTURE.write_bytes(data)
    click.echo(f"{FIXTURE}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
