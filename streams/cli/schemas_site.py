"""`sluice schemas site`: the schemas, views and error codes as static pages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import click

from streams.cli.common import Failure, echo_json, json_option


class Bucket(click.ParamType):
    """`s3://bucket/prefix`, as (bucket, prefix)."""

    name = "URL"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The bucket, and the prefix, which may be empty."""
        parts = urlsplit(str(value))
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            self.fail(f"{value!r} is no s3://bucket/prefix", param, ctx)
        return parts.netloc, parts.path.strip("/")


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path), metavar="OUT")
@click.option(
    "--publish", "bucket", type=Bucket(), metavar="s3://BUCKET/PREFIX",
    help="Put it into a bucket too, with content types and cache headers; the usual AWS_ variables say how.",
)  # fmt: skip
@json_option
def site(*, out: Path, bucket: tuple[str, str] | None, as_json: bool) -> None:
    """Write the schema site below the folder OUT: static pages that need no server and fetch nothing.

    Events by domain with fields, examples, compatibility and where they land in Bronze; views with formulas
    and SQL; error codes with runbooks; a search. Events and views of loaded extensions are on it. It works
    from a folder (file://) and from any path of a server. Amplify Hosting takes it from the bucket.

    \b
    Examples:
      sluice schemas site /tmp/schemas && xdg-open /tmp/schemas/index.html
      sluice schemas site public --publish s3://acme-docs/schemas
    """
    from streams.site.build import site_files, write_site  # noqa: PLC0415 - with it come all declarations
    from streams.site.publish import PublishError, publish  # noqa: PLC0415

    try:
        count = write_site(out)
    except OSError as error:
        raise Failure(f"{error.filename or out} cannot be written ({error.strerror})") from None
    done = None
    if bucket is not None:
        try:
            done = asyncio.run(publish(site_files(), *bucket))
        except PublishError as error:
            raise Failure(str(error)) from None
    _tell(out, count, bucket, done and done._asdict(), as_json=as_json)


def _tell(
    out: Path, count: int, bucket: tuple[str, str] | None, done: dict[str, int] | None, *, as_json: bool
) -> None:
    url = f"s3://{'/'.join(filter(None, bucket))}" if bucket else None
    if as_json:
        echo_json({"folder": str(out), "files": count, "url": url, "published": done})
        return
    click.echo(f"{count} files below {out}: open {out / 'index.html'}")
    if done is not None:
        click.echo(f"{done['put']} objects put at {url}, {done['removed']} of the former site removed")
