"""Each recipe of docs/readers.md, run as it stands there by the reader that it is for."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.store.local import LocalStore
from streams.store.urls import store_at
from tests.support.paths import ROOT
from tests.support.readers import market, recipes
from tests.support.readers.environment import PYTHON, SECONDS
from tests.support.readers.store import LAYOUT_OF_ALL, Expected, finish, found_by, write
from tests.support.s3 import BUCKET, REGION, S3Server


def printed(arguments: list[str], environ: Mapping[str, str] | None = None) -> str:
    """The last line that a program prints which the readers' Python runs."""
    done = subprocess.run(
        [str(PYTHON), *arguments], env={**os.environ, **(environ or {})}, cwd=ROOT,
        capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def read(arguments: list[str], environ: Mapping[str, str] | None = None) -> str:
    """What a recipe prints last."""
    return printed(["-m", recipes.__name__, *arguments], environ)


def found(name: str, root: str, environ: Mapping[str, str] | None = None) -> Expected:
    """What a recipe finds at `root`."""
    return found_by(json.loads(read([name, root], environ)))


@pytest.fixture(params=[(), LAYOUT_OF_ALL], ids=["one table", "by city"])
async def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Expected]:
    """A folder with Bronze, and what is in it."""
    store = LocalStore(tmp_path / "bronze")
    await write(store, *request.param)
    return tmp_path / "bronze", await finish(store)


@pytest.mark.parametrize("name", ["DuckDB", "By commits", "Polars", "PyArrow", "Spark"])
def test_a_reader_finds_in_a_folder_what_was_sent(name: str, folder: tuple[Path, Expected]) -> None:
    if name == "Spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java 17")
    root, everything = folder
    assert found(name, str(root)) == everything


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server("moto", tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.mark.parametrize("name", ["awswrangler", "Polars", "PyArrow"])
@pytest.mark.parametrize("domains", [(), LAYOUT_OF_ALL], ids=["one table", "by city"])
async def test_a_reader_finds_in_s3_what_was_sent(
    name: str, domains: tuple[str, ...], server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in server.environment.items():
        monkeypatch.setenv(variable, value)
    root = f"s3://{BUCKET}/{name}-{len(domains)}/bronze"
    store = store_at(root)
    await write(store, *domains)
    everything = await finish(store)
    assert found(name, root, {"AWS_DEFAULT_REGION": REGION, "AWS_ALLOW_HTTP": "true"}) == everything


@pytest.fixture(scope="module")
def sent(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> market.Market:
    """A market in Bronze, and what the views say of it."""
    return asyncio.run(market.write(tmp_path_factory.mktemp("market"), kafka.bootstrap, "readers-"))


def as_views(reader: str, root: str, day: str, environ: Mapping[str, str] | None = None) -> market.Figures:
    return market.figures(json.loads(read([reader, root, day], environ)))


@pytest.mark.timeout(300)  # the first one waits for a views worker, an api and Bronze
@pytest.mark.parametrize("reader", ["DuckDB", "Polars", "PyArrow", "Spark"])
def test_a_reader_counts_as_the_views_do(reader: str, sent: market.Market) -> None:
    if reader == "Spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java 17")
    assert as_views(reader, str(sent.folder), sent.day) == sent.views


async def test_awswrangler_counts_as_the_views_do(
    sent: market.Market, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in server.environment.items():
        monkeypatch.setenv(variable, value)
    root = f"s3://{BUCKET}/market"
    store = store_at(root)
    for name in ("booking.confirmed", "payout.*"):
        for file in sent.folder.glob(f"event={name}/**/*.gz"):
            await store.create(str(file.relative_to(sent.folder)), file.read_bytes())
    assert as_views("awswrangler", root, sent.day, {"AWS_DEFAULT_REGION": REGION}) == sent.views


def test_athena_has_nothing_to_say_about_the_syntax() -> None:
    check = "import sys, sqlglot; print(len(sqlglot.parse(sys.argv[1], read='athena')))"
    table, query = recipes.recipe("Athena", "sql")
    assert [printed(["-c", check, text]) for text in (table, query)] == ["1", "1"]
