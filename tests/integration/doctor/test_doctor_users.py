"""`sluice doctor` on experiments whose users' events are keyed by them, and on others."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.doctor import doctor
from tests.support.events import event
from tests.support.kafka import Raw, produce
from tests.support.processes import Sluice

PARTITIONS = 2


def record(name: str, user: int, key: str, partition: int, **payload: Any) -> Raw:
    value = event(name, user, {"user_id": f"usr-{user}", **payload}, event_id=f"{name}-{user}")
    return Raw(value, key.encode(), int(time.time() * 1000), partition)


@pytest.mark.parametrize("keyed", ["by user", "by session", "beside it"])
async def test_doctor_samples_how_users_are_keyed(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, keyed: str
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=PARTITIONS) as sluice:
        await topics.create(sluice.settings)
        records = []
        for user in range(20):
            shown = {"exp_key": "one", "variant": "control", "covariate": None}
            records.append(record("experiment.exposure", user, f"usr-{user}", user % 2, **shown))
            key = f"ses-{user}" if keyed == "by session" else f"usr-{user}"
            partition = (user + (keyed == "beside it" and user == 7)) % 2
            records.append(record("checkout.start", user, key, partition, session_id=f"ses-{user}"))
        records.append(Raw(json.dumps({"event": "checkout.start"}).encode(), b"k", None, 0))
        await produce(kafka.bootstrap, sluice.raw_topic, records)
        _, findings = await doctor(sluice)
        (found,) = findings["users of exp_metric_cuped"]
        if keyed == "by user":
            assert (found["state"], found["mend"]) == ("good", "")
            assert found["found"] == "40 sampled events of 20 users: each is on one partition"
        else:
            assert found["state"] == "wrong"
            said = {
                "by session": "20 of checkout.start are keyed by something else than their user",
                "beside it": "1 users are on more than one partition",
            }
            assert found["found"] == f"{said[keyed]}, in 40 sampled events of 20 users"
            assert "key checkout.start and experiment.exposure by their user" in found["mend"]
