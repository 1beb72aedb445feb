"""An operator takes an alarm on: on `ops.acks`, in what the api and the commands show, and at PagerDuty."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import httpx

from streams.kafka import topics
from tests.support.alarms import KEY, alarm, write_alarms
from tests.support.kafka import read_all, wait_until
from tests.support.processes import Sluice
from tests.support.receiver import Receiver

IDS = "recon/london|GBP/alarm/1", "lag/sluice-views/events.raw/0"


async def test_an_operator_takes_an_alarm_on(sluice: Sluice) -> None:
    await topics.create(sluice.settings)
    names = ("olga", "ben", "lara")
    files = {
        "tokens_file": "\n".join(f"{name},{hashlib.sha256(name.encode()).hexdigest()}" for name in names),
        "city_scope_file": "olga,*\nben,*\nlara,london\n", "operators_file": "olga\nlara\n", "token": "olga",
    }  # fmt: skip
    for name, text in files.items():
        (sluice.folder / name).write_text(text)
    settings: dict[str, Any] = {name: sluice.folder / name for name in files if name.endswith("_file")}
    with Receiver() as receiver:
        (sluice.folder / "pager.key").write_text(KEY)
        (sluice.folder / "notify.toml").write_text(
            f'[[target]]\nname = "pager"\nkind = "pagerduty"\nurl = "{receiver.url("/v2/enqueue")}"\n'
            'routing_key_file = "pager.key"\n'
        )
        notify = sluice.started("notify", "worker", "notify", notify_file=sluice.folder / "notify.toml")
        api = sluice.api(auth="tokens", **settings)
        await api.ready()
        await write_alarms(sluice.settings, alarm(IDS[0]), alarm(IDS[1], subject="sluice-views events.raw-0"))

        async def post(who: str, alarm_id: str, body: object) -> tuple[int, dict[str, Any]]:
            headers = {"authorization": f"Bearer {who}", "content-type": "application/json"}
            url = await api.url(f"/v1/alarms/{alarm_id}/ack")
            async with httpx.AsyncClient() as client:
                answer = await client.post(url, content=json.dumps(body), headers=headers)
            return answer.status_code, answer.json()

        good = {"reason": "on it", "by": "somebody else"}

        async def known() -> bool:
            return (await post("lara", IDS[0], good))[0] == 200

        await wait_until(known, "the api to know the alarm")
        assert (await post("ben", IDS[1], good))[0] == 403
        assert (await post("nobody", IDS[1], good))[0] == 401
        assert (await post("lara", IDS[1], good))[0] == 404, "it is of no city"
        assert (await post("olga", "no/such/alarm", good))[0] == 404
        for body, parameter in (({}, "reason"), ({"reason": " "}, "reason"), ({**good, "x": 1}, "x")):
            status, said = await post("olga", IDS[1], body)
            assert (status, said["parameter"]) == (400, parameter)

        asked = {"api_url": await api.url(""), "api_token_file": sluice.folder / "token"}
        done = await asyncio.to_thread(sluice.run, "alarms", "ack", IDS[1], "--reason", "restarting", **asked)
        assert (done.returncode, done.stdout) == (0, f"{IDS[1]}: taken on by olga\n"), done.stderr

        async def shown() -> bool:
            listed = await asyncio.to_thread(sluice.run, "alarms", "--json", **asked)
            rows = {row["alarm_id"]: row for row in json.loads(listed.stdout)["rows"]}
            who = [(rows[one]["acknowledged_by"], rows[one]["acknowledged_reason"]) for one in IDS]
            return who == [("lara", "on it"), ("olga", "restarting")]

        await wait_until(shown, "the list to say who has taken them on")
        paged = [("trigger", IDS[0]), ("trigger", IDS[1]), ("acknowledge", IDS[0]), ("acknowledge", IDS[1])]

        def told() -> bool:
            documents = [one.document for one in receiver.taken("/v2/enqueue")]
            return sorted((one["event_action"], one["dedup_key"]) for one in documents) == sorted(paged)

        await wait_until(told, "PagerDuty to be told")
        records = await read_all(sluice.settings.kafka[0], sluice.settings.topic("ops.acks"))
        assert [(record.key or b"").decode() for record in records] == [*IDS]
        for role in (notify, api):
            assert await role.terminate() == 0
