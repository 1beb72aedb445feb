"""Server-Sent Events."""

from __future__ import annotations

from streams.client.server_sent_events import Event, events_of


def test_events_as_the_standard_reads_them() -> None:
    text = """\
: a comment
retry: 2000

id: 1
data: first

data:second
data: line

event: error
id:
data

unknown: field
id: a\0b
data: third

data: cut off"""
    assert list(events_of(text.split("\n"))) == [
        Event("message", "first", "1"),
        Event("message", "second\nline", "1"),
        Event("error", "", ""),
        Event("message", "third", ""),
    ]
