"""Our certificate for Kafka: which of its files is wrong is said, and nothing that is in them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.kafka.tls import out_of_date, tls_context, tls_files
from streams.settings import SettingError, Settings
from tests.support.certificates import EXPIRED, Authority
from tests.support.no_more_files import no_more_files

PASS_PHRASE = "a pass phrase"
RIGHT = [
    {"cert": "cert", "key": "key"},
    {"cert": "both"},
    {"cert": "locked-cert", "key": "locked", "key_password": "phrase"},
    {"cert": "both-locked", "key_password": "phrase"},
    {},
]
KEY_OF = "a PEM file with the private key of SLUICE_KAFKA_CERT_FILE"
WRONG = [
    ({"ca": "garbage"}, "CA_FILE", "a PEM file of certificates"),
    ({"cert": "garbage", "key": "key"}, "CERT_FILE", "a PEM file with a certificate"),
    ({"cert": "key"}, "CERT_FILE", "a PEM file with a certificate"),
    ({"cert": "cert"}, "KEY_FILE", f"{KEY_OF}, where that has none itself"),
    ({"cert": "cert", "key": "garbage"}, "KEY_FILE", KEY_OF),
    ({"cert": "cert", "key": "other"}, "KEY_FILE", KEY_OF),
    ({"cert": "cert", "key": "other-locked", "key_password": "phrase"}, "KEY_FILE", KEY_OF),
    ({"cert": "locked-cert", "key": "locked"}, "KEY_PASSWORD_FILE", "a file with the pass phrase"),
    ({"cert": "both-locked", "key_password": "garbage"}, "KEY_PASSWORD_FILE", "a file with the pass phrase"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.client("ana")
    locked_certificate, locked = authority.client("ana", password=PASS_PHRASE)
    files = {
        "cert": certificate,
        "key": key,
        "both": certificate + key,
        "locked-cert": locked_certificate,
        "locked": locked,
        "both-locked": locked_certificate + locked,
        "other": authority.client("ana")[1],
        "other-locked": authority.client("ana", password=PASS_PHRASE)[1],
        "phrase": f"{PASS_PHRASE}\n".encode(),
        "garbage": b"no-one-may-see-this",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def loaded(folder: Path, files: dict[str, str]) -> Settings:
    chosen = {f"SLUICE_KAFKA_{name.upper()}_FILE": str(folder / file) for name, file in files.items()}
    return Settings.load({"SLUICE_KAFKA_SECURITY": "SSL", **chosen})


@pytest.mark.parametrize("files", RIGHT)
def test_right_files_are_taken_whatever_they_are_made_of(folder: Path, files: dict[str, str]) -> None:
    tls_context(tls_files(loaded(folder, {"ca": "ca", **files})))


@pytest.mark.parametrize(("files", "variable", "said"), WRONG)
def test_of_wrong_files_the_setting_is_named(
    folder: Path, files: dict[str, str], variable: str, said: str
) -> None:
    with pytest.raises(SettingError) as raised:
        tls_context(tls_files(loaded(folder, files)))
    assert raised.value.variable == f"SLUICE_KAFKA_{variable}"
    assert f"it must be {said}" in str(raised.value)
    for secret in (PASS_PHRASE, "no-one-may-see-this", "BEGIN"):
        assert secret not in str(raised.value)


def test_whether_it_is_out_of_date_is_in_the_certificate(folder: Path) -> None:
    authority = Authority(folder / "ca")
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=400)
    for name, until in (("expired", EXPIRED), ("early", later)):
        (folder / name).write_bytes(authority.client("ana", until=until)[0])
    assert out_of_date(loaded(folder, {})) is None
    assert out_of_date(loaded(folder, {"cert": "cert"})) is None
    assert out_of_date(loaded(folder, {"cert": "garbage"})) is None
    assert out_of_date(loaded(folder, {"cert": "expired"})) == "it expired at 2024-02-29T12:00:00Z"
    begins = later - timedelta(days=365)
    assert out_of_date(loaded(folder, {"cert": "early"})) == f"it is not valid before {begins:%FT%TZ}"


def test_files_that_could_not_be_read_are_tried_again_though_they_do_not_change(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = tls_context(tls_files(loaded(folder, {"ca": "ca"})))

    def trusted() -> str:
        """Whom the next connection would trust."""
        made = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="kafka")
        (certificate,) = made.context.get_ca_certs()
        return str(certificate["subject"])

    before = trusted()
    Authority(folder / "another").file.rename(folder / "ca")
    for _ in range(3):
        with no_more_files():
            assert trusted() == before
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "SLUICE_KAFKA_CA_FILE" in caplog.text
    assert "another" in trusted()
