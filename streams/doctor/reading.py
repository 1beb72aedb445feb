"""The doctor's consumers."""

from __future__ import annotations

from functools import partial

from streams.kafka import client

reading = partial(client.reading, client_id="sluice-doctor")
