"""What is held at a time."""

from __future__ import annotations

import pytest

from streams.ingest.answers import RefusedRequestError
from streams.ingest.bodies import REQUEST_BYTES, Budget


def test_what_is_held_is_bounded_and_given_back() -> None:
    budget = Budget(10 * REQUEST_BYTES)
    with budget.held() as first:
        first.take(6 * REQUEST_BYTES)
        with pytest.raises(RefusedRequestError) as error, budget.held() as second:
            second.take(3 * REQUEST_BYTES)
        assert error.value.status == 503
        assert error.value.headers["retry-after"] == "1"
        with budget.held() as third:
            third.take(2 * REQUEST_BYTES)
    with budget.held() as alone:
        alone.take(9 * REQUEST_BYTES)


def test_a_request_alone_is_taken_however_large() -> None:
    budget = Budget(1)
    with budget.held() as holding:
        holding.take(100)
        with pytest.raises(RefusedRequestError), budget.held():
            raise AssertionError("there is no room for it")
    with budget.held():
        pass


def test_what_is_handed_on_is_held_until_it_is_given_back() -> None:
    budget = Budget(2 * REQUEST_BYTES)
    with budget.held() as holding:
        holding.take(REQUEST_BYTES)
        holding.handed_on = True
    with pytest.raises(RefusedRequestError), budget.held():
        raise AssertionError("there is no room for it")
    holding.give_back()
    with budget.held():
        pass
