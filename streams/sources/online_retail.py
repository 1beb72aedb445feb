"""The UCI "Online Retail" data set as events (D. Chen, 2015, https://doi.org/10.24432/C5BW33, CC BY 4.0).

A row is one line of an invoice. Each invoice becomes, at the time of its last line, with its amount in pence:

- its lines above zero → one `charge.succeeded` and one `booking.confirmed`
- its lines below zero → one `refund.succeeded`, but those with the StockCode `AMAZONFEE` or `BANK CHARGES` →
  one `fee.assessed` a kind (`platform`, `processing`)

Lines of zero make nothing. The file's times have no zone and are taken as UTC. Ids are made from the invoice
number, so that replaying the file again repeats them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property
from typing import Any

import msgspec

from streams.sources.envelope import key_of
from streams.sources.files import InputFile, Text
from streams.sources.online_retail_csv import RowReader, rows
from streams.sources.record import Record, SourceError
from streams.sources.slugs import slug

FEE_KINDS = {"AMAZONFEE": "platform", "BANK CHARGES": "processing"}
SOURCE = "online-retail"
CURRENCY = "GBP"
LARGEST_MINOR = 2**53 - 1

_INVOICE = re.compile(r"[A-Za-z0-9]{1,32}")
_QUANTITY = re.compile(r"-?\d{1,9}")


@dataclass(slots=True)
class _Invoice:
    """What one invoice adds up to so far; amounts in pounds, the refund and the fees below zero."""

    line: int
    at: datetime
    city: str | None
    customer: str
    charged: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    fees: dict[str, Decimal] = field(default_factory=dict)


class OnlineRetail:
    """A `Source` of the events of one Online Retail CSV file, plain or packed, in time order."""

    def __init__(self, file: InputFile) -> None:
        self.name = file.name
        self._file = file
        self._sent = 0

    @property
    def fraction(self) -> float | None:
        """How many of the events have been handed out, 0 to 1."""
        return self._sent / len(self._events) if self._events else 1.0

    def check(self) -> None:
        """Look at the header, if the file can be read again. Raises `SourceError`, `NotEventsError`."""
        if self._file.check():
            with closing(self._file.texts()) as texts:
                for text in texts:
                    next(rows(text), None)

    def records(self) -> Iterator[Record]:
        """The events in time order; those of one minute in the file's order. Raises `SourceError`.

        An invoice is complete only when the file is: a few come back after others. So the file is read wholly
        first; its 25,900 invoices take some 30 MB.
        """
        for sent, record in enumerate(self._events, 1):
            self._sent = sent
            yield record

    @cached_property
    def _events(self) -> list[Record]:
        # The years of the second set overlap: an invoice in two texts is told twice, by the same ids.
        with closing(self._file.texts()) as texts:
            invoices = [item for text in texts for item in read_invoices(text).items()]
        invoices.sort(key=lambda item: item[1].at)
        return [record for number, invoice in invoices for record in _records_of(number, invoice, self.name)]


def read_invoices(text: Text) -> dict[str, _Invoice]:
    """Every invoice by its number, in the order of first lines. Raises `SourceError`: line and column."""
    invoices: dict[str, _Invoice] = {}
    reader = RowReader()
    for line, row in rows(text):
        number, stock_code, _, quantity, at_text, price, customer, country = row
        if not _INVOICE.fullmatch(number):
            raise _bad(text, line, "InvoiceNo", number, "up to 32 letters and digits")
        if not _QUANTITY.fullmatch(quantity):
            raise _bad(text, line, "Quantity", quantity, "a whole number")
        try:
            pounds = reader.price(price)
        except ValueError as error:
            raise _bad(text, line, "UnitPrice", price, str(error)) from None
        try:
            at = reader.time(at_text)
        except ValueError as error:
            raise _bad(text, line, "InvoiceDate", at_text, str(error)) from None
        invoice = invoices.get(number)
        if invoice is None:
            invoice = invoices[number] = _Invoice(line, at, slug(country), customer)
        invoice.line = line
        invoice.at = max(invoice.at, at)
        invoice.customer = invoice.customer or customer
        _add_line(invoice, stock_code, int(quantity) * pounds)
    return invoices


def _bad(text: Text, line: int, column: str, value: str, allowed: str) -> SourceError:
    return SourceError(text.name, line, f"{value[:40]!r} is not {allowed}", column)


def _add_line(invoice: _Invoice, stock_code: str, amount: Decimal) -> None:
    if amount > 0:
        invoice.charged += amount
    elif amount < 0 and stock_code in FEE_KINDS:
        kind = FEE_KINDS[stock_code]
        invoice.fees[kind] = invoice.fees.get(kind, Decimal(0)) + amount
    else:
        invoice.refunded += amount


def _records_of(number: str, invoice: _Invoice, name: str) -> Iterator[Record]:
    booking_id, charge_id = f"booking-{number}", f"charge-{number}"
    if invoice.charged:
        money = _money(invoice.charged, name, invoice.line)
        user_id = f"customer-{invoice.customer.removesuffix('.0')}" if invoice.customer else "guest"
        people = {"user_id": user_id, "provider_id": SOURCE}
        booking = {"booking_id": booking_id}
        yield _record(number, invoice, "booking.confirmed", {**booking, **people, **money})
        yield _record(number, invoice, "charge.succeeded", {"charge_id": charge_id, **booking, **money})
    if invoice.refunded:
        money = _money(-invoice.refunded, name, invoice.line)
        # The file has no link from a cancellation to its sale: the charge's id is the cancellation's own.
        refund = {"refund_id": f"refund-{number}", "charge_id": charge_id, **money}
        yield _record(number, invoice, "refund.succeeded", refund)
    for kind, amount in sorted(invoice.fees.items()):
        money = _money(-amount, name, invoice.line)
        payload = {"fee_id": f"fee-{number}-{kind}", "kind": kind, **money}
        yield _record(number, invoice, "fee.assessed", payload, suffix=f":{kind}")


def _money(pounds: Decimal, name: str, line: int) -> dict[str, Any]:
    minor = int((pounds * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    if minor > LARGEST_MINOR:
        raise SourceError(name, line, f"the invoice's amount is more than {LARGEST_MINOR} pence")
    return {"amount_minor": minor, "currency": CURRENCY}


def _record(number: str, invoice: _Invoice, event: str, payload: dict[str, Any], suffix: str = "") -> Record:
    envelope = {
        "event_id": f"{SOURCE}:{number}:{event}{suffix}",
        "event": event,
        "version": 1,
        "occurred_at": invoice.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "source": SOURCE,
        "city": invoice.city,
        "payload": payload,
    }
    value = msgspec.json.encode(envelope)
    return Record(invoice.line, key_of(value), value)
