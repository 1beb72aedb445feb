"""What a batch that expands beyond all bounds costs in memory, by codec, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

SLACK_MIB = 48
PROGRAM = """
import resource, sys, zlib
import cramjam
from agents.records import Unpacked
from schemas.validation.reasons import UnreadBatch
from streams.kafka.decompression import LARGEST_BATCH_BYTES
from tests.support.record_bytes import CODECS, Wire, batch_v2
from tests.support.fetched_batches import batches

codec, zeros, parts = sys.argv[1], bytes(1 << 20), 264
if codec == "gzip":
    gzip = zlib.compressobj(wbits=31)
    body = b"".join([*(gzip.compress(zeros) for _ in range(parts)), gzip.flush()])
else:
    body = bytes(getattr(cramjam, codec).compress(zeros)) * parts
bomb = [batch_v2([Wire(at)], attributes=CODECS[codec], body=body) for at in range(2)]
data = batches(b"".join(bomb))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
records = Unpacked(data, 0)
read = [record for _ in range(2) for record in records.take(1)]
assert [record.offset for record in read] == [0, 1]
assert all(isinstance(record.value, UnreadBatch) for record in read)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10, LARGEST_BATCH_BYTES >> 20)
"""


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_bomb_takes_no_more_than_the_largest_batch(codec: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, codec], cwd=ROOT, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    grown_mib, largest_mib = map(int, done.stdout.split())
    assert grown_mib < largest_mib + SLACK_MIB
