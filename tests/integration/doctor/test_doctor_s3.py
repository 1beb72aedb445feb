"""`sluice doctor` on a Bronze in S3: it has to be writable, not only listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streams.doctor import folders
from streams.doctor.finding import Patient
from streams.settings import Settings
from streams.store.urls import store_at
from tests.support.s3 import BUCKET, S3Server
from tests.support.s3_proxy import DENIED, Fault, S3Proxy, fine

URL = f"s3://{BUCKET}/lake"


@pytest.mark.parametrize(
    ("refused", "said"), [((), None), (("PUT",), "writing"), (("POST",), ""), (("GET",), "listing")]
)
async def test_doctor_writes_to_s3_and_leaves_nothing(
    refused: tuple[str, ...], said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(method: str, _path: str) -> Fault:
        return DENIED if method in refused else fine(method, _path)

    with S3Server("moto", tmp_path) as server, S3Proxy(server.port) as proxy:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        direct = store_at(URL)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.plan = plan
        (finding,) = await folders.bronze(Patient(Settings.load({"SLUICE_BRONZE_URL": URL}), 20.0))
        left: list[Any] = [listed async for listed in direct.list("")]
    assert (finding.state == "wrong") == bool(refused), finding
    assert bool(left) == (refused == ("POST",))
    if said is not None:
        assert said in finding.found
        assert "SLUICE_BRONZE_URL and the AWS_ variables" in finding.mend
