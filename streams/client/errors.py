"""What can go wrong when the api is asked. `str(error)` is one line."""

from __future__ import annotations


class ApiError(Exception):
    """The api does not answer, or not as it should."""


class ApiAwayError(ApiError):
    """Nobody answers at its address."""


class ApiRefusalError(ApiError):
    """The api will not answer this question. `status`: 400 a wrong parameter, 401 it is not known who asks,
    403 they may not see it, 404 there is no such thing, 429 too often."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status
