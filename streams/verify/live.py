"""Takes an answer from the api, to prove it."""

from __future__ import annotations

from streams.client import SluiceClient
from streams.verify.answer import Answer, UnfitAnswerError
from tables.spec.view import View


def live_answer(client: SluiceClient, view: View, window: str) -> Answer:
    """A view's answer of now, over the window that ends now; where some of its groups are summed as `_other`,
    its totals. Raises `UnfitAnswerError` and `ApiError`."""
    answer = _asked(client, view, [("window", window)])
    if not answer.sums_others:
        return answer
    by = answer.never_other
    return _asked(client, view, [("window", window), ("group_by", ",".join(by))], by)


def _asked(
    client: SluiceClient, view: View, params: list[tuple[str, str]], group_by: tuple[str, ...] | None = None
) -> Answer:
    said = client.json(f"/v1/views/{view.name}", params)
    former = next((one.former for one in client.views() if one.name == view.name), None)
    if former is not None:
        raise UnfitAnswerError(former)
    if isinstance(said, dict) and said.get("scoped"):
        raise UnfitAnswerError(
            "the api answers for some cities alone: in SLUICE_API_TOKEN_FILE has to be the token of somebody"
            " who may see all (*, in SLUICE_CITY_SCOPE_FILE)"
        )
    return Answer.of(view, said, group_by)
