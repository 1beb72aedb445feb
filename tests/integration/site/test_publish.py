"""The site in a bucket (moto): types and headers right, what is gone removed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from click.testing import CliRunner, Result

from streams.cli.main import main
from streams.site.build import MANIFEST, former_files, site_files, write_site
from streams.site.publish import TYPES, attributes
from tests.support.s3 import BUCKET, KEY, REGION, SECRET, S3Server

PREFIX = "docs/schemas"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with S3Server("moto", tmp_path / "s3") as server:
        yield server


@pytest.fixture
def client(server: S3Server) -> Iterator[boto3.client]:
    made = boto3.client(
        "s3", endpoint_url=server.url, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
        region_name=REGION, config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    yield made
    made.close()


def site(out: Path, monkeypatch: pytest.MonkeyPatch, server: S3Server, url: str) -> Result:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(main, ["schemas", "site", str(out), "--publish", url, "--json"])


def test_published_twice(
    tmp_path: Path, server: S3Server, client: boto3.client, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://{BUCKET}/{PREFIX}"
    client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/mine.txt", Body=b"not the site's")
    done = site(tmp_path / "out", monkeypatch, server, url)
    assert done.exit_code == 0, done.output
    files = site_files()
    assert json.loads(done.stdout)["published"] == {"put": len(files), "removed": 0}
    for path in (
        "index.html",
        "schemas/avro/search/search.click.avsc",
        *(p for p in files if p.startswith("assets/")),
    ):
        found = client.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{path}")
        assert found["Body"].read() == files[path]
        expected = attributes(path)
        assert (found["ContentType"], found["CacheControl"]) == tuple(expected.values())
    assert "immutable" in attributes("assets/site.0.css")["Cache-Control"]
    assert attributes("index.html") == {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
    }
    assert {Path(path).suffix for path in files} == set(TYPES)

    former = [*json.loads(files[MANIFEST]), "events/gone.html"]
    client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/events/gone.html", Body=b"")
    client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{MANIFEST}", Body=json.dumps(former).encode())
    done = site(tmp_path / "out", monkeypatch, server, url)
    assert json.loads(done.stdout)["published"] == {"put": len(files), "removed": 1}
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    there = {one["Key"].removeprefix(f"{PREFIX}/") for page in pages for one in page["Contents"]}
    assert there == {*files, "mine.txt"}


def test_a_bucket_that_is_not_there(
    tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = site(tmp_path / "out", monkeypatch, server, "s3://no-such-bucket/x")
    assert done.exit_code == 1
    assert "the site cannot be put at s3://no-such-bucket/x" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("url", ["bucket/x", "s3://", "https://x/y", "s3://b/p?x=1"])
def test_what_is_no_bucket(url: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["schemas", "site", str(tmp_path / "out"), "--publish", url])
    assert (done.exit_code, "is no s3://bucket/prefix" in done.stderr) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_written_again(tmp_path: Path) -> None:
    count = write_site(tmp_path)
    (tmp_path / "events/gone.html").touch()
    (tmp_path / "mine.txt").touch()
    listed = json.loads((tmp_path / MANIFEST).read_bytes())
    (tmp_path / MANIFEST).write_text(json.dumps([*listed, "events/gone.html", "../outside"]))
    (tmp_path.parent / "outside").touch()
    assert write_site(tmp_path) == count
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {*site_files(), "mine.txt"}
    assert (tmp_path.parent / "outside").exists()
    assert site_files() == site_files()
    (tmp_path / "file").touch()
    done = CliRunner().invoke(main, ["schemas", "site", str(tmp_path / "file" / "below")])
    assert (done.exit_code, "cannot be written" in done.stderr) == (1, True)


@pytest.mark.parametrize("manifest", [b"", b"{}", b"\xff", b'["/etc/passwd", "../x", "a/../../x", 5, ""]'])
def test_a_damaged_manifest_removes_nothing(manifest: bytes) -> None:
    assert former_files(manifest) == set()
