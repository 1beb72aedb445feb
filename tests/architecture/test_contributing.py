"""Follows the worked example of CONTRIBUTING.md in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

STEP = re.compile(
    r"^`(?P<path>[\w/]+\.py)`\n```(?P<kind>python|diff)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL
)

PROOF = '''
"""Runs inside the copy: the new event is judged, folded and answered."""
import json
from schemas.catalogue import EVENTS
from schemas.validation.validator import Validator
from tables.codec import decode_partial
from tables.keys import parse_key
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.views import VIEWS

spec, view = EVENTS["review.posted"], VIEWS["reviews_posted"]
envelope = {"event_id": "e-1", "event": spec.name, "version": 1, "source": "reviews", "city": "oslo"}
envelope["occurred_at"] = "2026-03-01T10:00:00Z"


def value(payload):
    return json.dumps({**envelope, "payload": payload}).encode()


now_ms = 1_772_359_200_000
good = [value(example) for example in spec.examples]
bad = [value(spec.patched(patch)) for patch, _ in spec.counter_examples]
state = PartitionState("events.raw", VIEWS.values(), Limits(2880, 840, 3600, 168))
now = [now_ms] * len(good + bad)
decoded = Validator().decode_batch(good + bad, now, state.readers, with_sources=state.wants_sources)
named = [verdict.field for _, verdict in decoded.bad]
assert named == [field for _, field in spec.counter_examples], decoded.bad
count = len(decoded.kinds)
state.fold(decoded, [now_ms] * count, first_offset=0, next_offset=count, now_ms=now_ms)
written = state.changes(now_ms)
partials = [decode_partial(record) for key, record in written if key.startswith(b"w:reviews_posted@")]
assert partials == [[(("cleanliness", "oslo"), [1, 4])]], partials
'''


def test_the_worked_example_works(tmp_path: Path) -> None:
    for package in ("schemas", "tables"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    steps = list(STEP.finditer((ROOT / "CONTRIBUTING.md").read_text()))
    assert [step["kind"] for step in steps] == ["python", "diff", "python", "diff"]
    for step in steps:
        follow(tmp_path / step["path"], step["kind"], step["body"])

    done = subprocess.run(
        [sys.executable, "-c", PROOF], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr


def follow(path: Path, kind: str, body: str) -> None:
    """Write a new file, or replace lines: each added line takes the place of the removed one before it."""
    if kind == "python":
        assert not path.exists(), f"{path.name} is there already: take another example"
        path.write_text(body)
        return
    lines = path.read_text().splitlines()
    place = next(
        number for number, line in enumerate(lines) if line.startswith(("from tables.", "from schemas."))
    )
    for line in body.splitlines():
        if line.startswith("-"):
            place = lines.index(line[1:])
            del lines[place]
        else:
            lines.insert(place, line[1:])
    path.write_text("\n".join(lines) + "\n")
