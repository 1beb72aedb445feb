"""Record batches that expand beyond all bounds, on a real Kafka: one bad record each that blocks nobody."""

from __future__ import annotations

import base64
import json
import time
from hashlib import sha256
from pathlib import Path

import pytest

from agents.bronze.store import Store
from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.bad import padded
from tests.support.bronze_topic import covered, rows_of
from tests.support.feed import FeedWatcher
from tests.support.kafka import read_all, wait_until
from tests.support.processes import Role, Sluice
from tests.support.record_bytes import Wire, batch_v2, send_bytes
from tests.support.repeats import repeats

MIB = 1 << 20


def good(name: str, now_ms: int) -> Wire:
    return Wire(0, now_ms, b"k", padded(400, now_ms, event_id=name))


def bomb(now_ms: int, codec: str, records: int) -> bytes:
    """Zeros that expand to 264 MiB."""
    value = bytes(264 * MIB // records)
    return batch_v2([Wire(offset, now_ms, None, value) for offset in range(records)], codec=codec)


async def until_next(store: Store, offset: int, bronze: Role) -> None:
    async def there() -> bool:
        assert bronze.running, bronze.tail()
        return (await covered(store)).get(0, 0) >= offset

    await wait_until(there, f"Bronze to reach offset {offset}", seconds=60)


@pytest.mark.parametrize(("codec", "records"), repeats(("zstd", 500), ("zstd", 1), ("gzip", 3)))
async def test_a_bomb_is_one_bad_record_and_blocks_nobody(
    codec: str, records: int, kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    now_ms = int(time.time() * 1000)
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        raw, bootstrap = sluice.raw_topic, kafka.bootstrap
        store = sluice.store
        await topics.create(sluice.settings)
        worker, bronze = sluice.worker(), sluice.role("bronze", "worker", "bronze")
        batches = [
            batch_v2([good("a", now_ms)], codec=codec), bomb(now_ms, codec, records),
            batch_v2([good("b", now_ms)], codec=codec),
        ]  # fmt: skip
        for batch in batches:
            assert (await send_bytes(bootstrap, raw, 0, batch))[0] == 0
        bronze.start()
        last = records  # the bomb's last offset
        async with FeedWatcher(sluice.settings) as feed:
            await feed.caught_up(seconds=90)
            await until_next(store, last + 2, bronze)
            worker.kill()  # and again, from the middle of it
            worker.start()
            assert (await send_bytes(bootstrap, raw, 0, batches[1]))[0] == 0
            assert (await send_bytes(bootstrap, raw, 0, batch_v2([good("c", now_ms)])))[0] == 0
            await feed.caught_up(seconds=90)
            await until_next(store, last + 3 + records, bronze)
        bad = await read_all(bootstrap, sluice.settings.topic("events.quarantine"))
        rows = await rows_of(store)
        assert len(bad) == 2
        told = dict(bad[0].headers)
        assert (told["reason"], told["offset"]) == (b"too_large", str(last).encode())
        assert f"offsets 1 to {last} expands to more than 256 MiB".encode() in (told["detail"] or b"")
        offsets = sorted(offset for _, offset in rows)
        assert offsets == [0, last, last + 1, last + 1 + records, last + 2 + records]
        (line,) = rows[0, last]
        whole = base64.b64decode(line["value_base64"])
        assert whole == bad[0].value
        assert (
            sha256(whole[61:]).digest() == sha256(batches[1][61:]).digest()
        )  # behind what the broker writes
        verified = sluice.run("bronze", "verify", "--json")
        assert verified.returncode == 0, verified.stdout
        listed = json.loads(sluice.run("quarantine", "list", "--json").stdout)["records"]
        assert [record["reason"] for record in listed] == ["too_large"] * 2
        assert await worker.terminate() == await bronze.terminate() == 0
