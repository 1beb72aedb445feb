"""The api: there, if it is wanted here, and ready."""

from __future__ import annotations

import asyncio

from streams.client import ApiAwayError, ApiError, SluiceClient
from streams.client.configured import client_of
from streams.doctor.finding import GOOD, NOTE, WRONG, Finding, Patient


async def api(patient: Patient) -> list[Finding]:
    """An api that is not here may run elsewhere: a note. One that does not get ready is wrong."""
    client = client_of(patient.settings, patient.seconds)
    try:
        ready, said = await asyncio.to_thread(client.ready)
    except ApiAwayError:
        mend = "start it with `sluice api`, if it is wanted here"
        return [Finding("api", NOTE, f"nothing answers at {client.url}", mend)]
    except ApiError as error:
        return [Finding("api", WRONG, str(error), "see SLUICE_HTTP_HOST and SLUICE_HTTP_PORT")]
    if not ready:
        mend = "wait until it has read views.feed, or look into its log"
        return [Finding("api", WRONG, f"{client.url} is not ready: {said}", mend)]
    return [Finding("api", GOOD, f"{client.url} is ready"), *await _former(client)]


async def _former(client: SluiceClient) -> list[Finding]:
    """Views that are answered by a former definition: their new one's past has to be filled in."""
    try:
        listed = await asyncio.to_thread(client.json, "/v1/views")
    except ApiError:
        return []  # one of another release, or gone meanwhile
    names = [one["name"] for one in listed["views"] if one.get("former")] if isinstance(listed, dict) else []
    return [
        Finding("view", NOTE, f"{name}: a former definition answers", f"`sluice views rebuild {name}`")
        for name in names
    ]
