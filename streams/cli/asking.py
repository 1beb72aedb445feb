"""How commands ask the api, and what they say where it does not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from streams.cli.common import Failure, WrongUsage
from streams.cli.watch import PassingError
from streams.client import ApiError, ApiRefusalError

T = TypeVar("T")

UNKNOWN = (401, 403)


@contextmanager
def asking() -> Iterator[None]:
    """What the api refuses is wrong usage, another error of it a failure."""
    try:
        yield
    except ApiRefusalError as error:
        if error.status in UNKNOWN:
            raise Failure(f"{error}: SLUICE_API_TOKEN_FILE says as whom commands ask") from None
        raise WrongUsage(str(error)) from None
    except ApiError as error:
        raise Failure(str(error)) from None


def again(ask: Callable[[], T]) -> Callable[[], T]:
    """The same question, over and over, while the api may be away: it raises `PassingError` then."""

    def asked() -> T:
        try:
            return ask()
        except ApiRefusalError:
            raise
        except ApiError as error:
            raise PassingError(str(error)) from None

    return asked
