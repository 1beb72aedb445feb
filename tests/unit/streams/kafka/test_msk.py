"""Tokens for MSK's IAM are those of AWS's own signer."""

from __future__ import annotations

import base64
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import Credentials

from streams.kafka import msk
from streams.kafka.credentials import CredentialsError
from streams.settings import SettingError, Settings

KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
MOMENT = datetime(2026, 3, 1, 12, 34, 56)  # noqa: DTZ001 - botocore's own clock has no zone
SIGNED = (
    "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIDEXAMPLE%2F20260301%2Feu-west-1%2Fkafka-cluster%2Faws4_request"
    "&X-Amz-Date=20260301T123456Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host{}&X-Amz-Signature={}&User-Agent="
)
"""What aws-msk-iam-sasl-signer-python 1.0.2 makes of this key at this moment."""
SIGNATURES = {
    None: ("", "99d70bb7b4703e82c2a9c297885bd7e185215ffa6b335da84806dbca24af3aec"),
    "session-token/with+signs=": (
        "&X-Amz-Security-Token=session-token%2Fwith%2Bsigns%3D",
        "f895f199105985d2395ac9b85d1d3a8532be422b2d0a38cf95b9fd2944f242c7",
    ),
}
PUBLIC = "b-1-public.demo.abc123.c2.kafka.eu-west-1.amazonaws.com:9198"


def decoded(token: str) -> str:
    assert not token.endswith("=")
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()


@pytest.mark.parametrize(("session", "expected"), SIGNATURES.items(), ids=["key", "role"])
def test_a_token_is_what_the_signer_of_aws_makes(
    monkeypatch: pytest.MonkeyPatch, session: str | None, expected: tuple[str, str]
) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: MOMENT)
    url = decoded(msk.signed(Credentials(*KEY, session), "eu-west-1"))
    assert url.startswith(SIGNED.format(*expected))
    assert url.endswith("&User-Agent=sluice%2F0.1.0")


@pytest.mark.parametrize(
    ("servers", "aws_region", "region"),
    [
        (PUBLIC, "us-east-1", "eu-west-1"),
        ("boot-ab12.c1.kafka-serverless.us-east-2.amazonaws.com:9098", "", "us-east-2"),
        ("b-2.x.kafka.cn-north-1.amazonaws.com.cn:9098", "", "cn-north-1"),
        ("kafka.internal:9098", "ap-south-1", "ap-south-1"),
        ("kafka.eu-west-1.amazonaws.com.example.com:9098", "ap-south-1", "ap-south-1"),
    ],
)
def test_the_region_is_in_the_brokers_name_or_in_aws_region(
    monkeypatch: pytest.MonkeyPatch, servers: str, aws_region: str, region: str
) -> None:
    monkeypatch.setenv("AWS_REGION", aws_region)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert msk.msk_region(Settings.load({"SLUICE_KAFKA": servers}).kafka) == region


def test_without_a_region_aws_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingError, match=r"AWS_REGION='' is not allowed.* SLUICE_KAFKA names no region"):
        msk.msk_region(("kafka.internal:9098",))


def test_credentials_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHETEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY[1])
    msk._signer.cache_clear()
    asked = parse_qs(urlsplit(decoded(msk.msk_signer([PUBLIC])())).query)
    assert asked["X-Amz-Credential"][0].startswith("AKIDOFTHETEST/")
    assert asked["Action"] == ["kafka-cluster:Connect"]


def test_without_credentials_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    msk._signer.cache_clear()
    with pytest.raises(CredentialsError, match="AWS has no credentials here"):
        msk.msk_signer([PUBLIC])()


def test_without_botocore_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    msk._signer.cache_clear()
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(SettingError, match=r"'AWS_MSK_IAM' is not allowed.* pip install 'sluice\[msk\]'"):
        msk.msk_signer([PUBLIC])
