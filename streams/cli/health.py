"""`sluice health`: the health check of a container, whatever role it runs."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass

import click

from streams.cli.common import Failure, WrongUsage, echo_json, json_option, say
from streams.client.configured import own_url, reachable
from streams.settings import SettingError, Settings

TIMEOUT_SECONDS = 3.0
SHOWN_BYTES = 300
PORTS = {
    "worker": "SLUICE_METRICS_PORT",
    "api": "SLUICE_HTTP_PORT",
    "ingest": "SLUICE_INGEST_PORT",
}


@dataclass(frozen=True)
class Answer:
    """What was asked and answered. `status`: None if nobody answers there; `said` is then why."""

    role: str
    url: str
    status: int | None
    said: str

    def __str__(self) -> str:
        if self.status is None:
            return f"{self.role}: {self.url} does not answer ({self.said})"
        return f"{self.role}: {self.url} answers {self.status}: {self.said}"


@click.command()
@click.argument("role", type=click.Choice(list(PORTS)), required=False)
@click.option("--ready", is_flag=True, help="Ask /readyz, whether it can do its work, instead of /healthz.")
@json_option
def health(*, role: str | None, ready: bool, as_json: bool) -> None:
    """Say whether a process of this machine answers; exit code 1 if not.

    It asks where SLUICE_METRICS_PORT (worker), SLUICE_HTTP_PORT (api) or SLUICE_INGEST_PORT (ingest) says
    that the process listens. Without a role it takes the one that answers: a container has one.

    \b
    Examples:
      sluice health                 what the image's HEALTHCHECK does
      sluice health api --ready     whether the api has read the feed
    """
    settings = Settings.load()
    answers = []
    for name in [role] if role else _with_a_port(settings):
        answers.append(_ask(settings, name, "/readyz" if ready else "/healthz"))
        if answers[-1].status is not None:
            answers = answers[-1:]
            break
    healthy = answers[-1].status == 200
    if as_json:
        echo_json({"healthy": healthy, "asked": list(map(asdict, answers))})
        if not healthy:
            raise click.exceptions.Exit(1)
    elif healthy:
        say(answers[-1])
    else:
        raise Failure("; ".join(map(str, answers)))


def _with_a_port(settings: Settings) -> list[str]:
    return [name for name in PORTS if _port(settings, name)] or list(PORTS)


def _port(settings: Settings, role: str) -> int:
    ports = {"worker": settings.metrics_port, "api": settings.http_port, "ingest": settings.ingest_port}
    return ports[role]


def _url(settings: Settings, role: str) -> str:
    if not (port := _port(settings, role)):
        raise WrongUsage(str(SettingError(PORTS[role], "0", "the port itself: any free one cannot be found")))
    if role == "api":
        return own_url(settings)
    return f"http://{reachable(settings.metrics_host if role == 'worker' else settings.ingest_host)}:{port}"


def _ask(settings: Settings, role: str, path: str) -> Answer:
    url = _url(settings, role) + path
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]  # it is this machine
    if role == "api" and settings.http_tls_cert is not None:
        handlers.append(urllib.request.HTTPSHandler(context=_own_certificate(settings)))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=TIMEOUT_SECONDS) as answer:
            return Answer(role, url, answer.status, _text(answer.read(SHOWN_BYTES)))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(role, url, error.code, _text(error.read(SHOWN_BYTES)))
    except OSError as error:
        return Answer(role, url, None, str(getattr(error, "reason", error)))


def _own_certificate(settings: Settings) -> ssl.SSLContext:
    """Believes the api's own certificate, whatever names it is for. Raises `Failure`."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        trust.load_verify_locations(settings.http_tls_cert)
    except OSError as error:
        raise Failure(f"SLUICE_HTTP_TLS_CERT={settings.http_tls_cert}: {error}") from None
    return trust


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").strip()
