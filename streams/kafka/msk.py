"""MSK's IAM: a bearer token that is a signed URL, made here by AWS's own signer, without asking AWS.

The token is what aws-msk-iam-sasl-signer makes: the query of a presigned GET of `kafka-cluster:Connect`, good
for 15 minutes, in base64url without padding.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import quote

from streams.kafka.credentials import CredentialsError
from streams.setting_groups.kafka_security import MSK_IAM
from streams.settings import SettingError, aws_region
from streams.version import VERSION

EXPIRES_SECONDS = 900
_REGION = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?:\d+")


def msk_signer(servers: Iterable[str]) -> Callable[[], str]:
    """A function that returns a new token for the cluster of these servers. Raises `SettingError`."""
    region = msk_region(servers)
    try:
        return _signer(region)
    except ImportError:
        needed = "used with botocore: pip install 'sluice[msk]'"
        raise SettingError("SLUICE_KAFKA_SASL_MECHANISM", MSK_IAM, needed) from None


@lru_cache(maxsize=8)
def _signer(region: str) -> Callable[[], str]:
    """One for all clients of a process, so that a role's credentials are fetched once."""
    from botocore.session import get_session  # noqa: PLC0415 - it is not installed with Sluice

    session, lock = get_session(), Lock()

    def sign() -> str:
        with lock:
            credentials = session.get_credentials()
            if credentials is None:
                raise CredentialsError(
                    "AWS has no credentials here: set its AWS_ variables, or give us a role"
                )
            return signed(credentials.get_frozen_credentials(), region)

    return sign


def msk_region(servers: Iterable[str]) -> str:
    """The region that the servers' names have, else AWS_REGION. Raises `SettingError`."""
    for server in servers:
        if found := _REGION.search(server):
            return found[1]
    if not (region := aws_region()):
        allowed = "set with SLUICE_KAFKA_SASL_MECHANISM=AWS_MSK_IAM where SLUICE_KAFKA names no region"
        raise SettingError("AWS_REGION", "", allowed)
    return region


def signed(credentials: Any, region: str) -> str:
    """The token of these credentials (botocore's) for a region, as of now."""
    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415 - see above
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415

    asked = {"Action": "kafka-cluster:Connect"}
    request = AWSRequest("GET", f"https://kafka.{region}.amazonaws.com/", params=asked)
    SigV4QueryAuth(credentials, "kafka-cluster", region, expires=EXPIRES_SECONDS).add_auth(request)
    url = f"{request.url}&User-Agent={quote(f'sluice/{VERSION}', safe='')}"
    return base64.urlsafe_b64encode(url.encode()).rstrip(b"=").decode()
