"""What /v1/views/{name}/explain answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, create_model

from streams.http.answer.models import TIME, row_schema
from streams.verify.behind import added_measures, event_keys
from tables.spec.view import View


class DifferenceRow(BaseModel):
    """A measure of a row that its events do not add up to."""

    row: dict[str, Any] = Field(description="its dimensions")
    measure: str
    live: float | None = Field(
        description="as the view answers it; null: it is null, or there is no such row"
    )
    computed: float | None = Field(description="as its events give it, likewise")


class ExplainedPartition(BaseModel):
    """The records of a source partition that the answer rests on."""

    topic: str
    partition: int
    first_offset: int
    checkpoint_offset: int = Field(description="the next offset: that of the answer's checkpoint")
    bronze_offset: int = Field(description="up to here, exclusive, they were read from Bronze")
    kafka_records: int = Field(description="how many were read from Kafka, as they were not in Bronze yet")


class ExplainedEvent(BaseModel):
    """An event: its place in Kafka, its time, and the view's dimensions."""

    model_config = {"extra": "allow"}

    event_id: str | None = Field(description="null of a bad record")
    event: str
    occurred_at: str | None = Field(json_schema_extra=TIME)
    topic: str
    partition: int
    offset: int
    amount: int | None = Field(description="the largest value that it adds to a measure; null: it is counted")


class LeftOutEvent(ExplainedEvent):
    """An event that does not count."""

    because: str = Field(description="why, in words")


class LeftOut(BaseModel):
    """Events of the view that do not count, for one reason."""

    why: str = Field(
        description="duplicate; late; expired: its pane is kept no longer; of entities followed: a later"
        " event counts in its place, and forgotten",
        json_schema_extra={"enum": ["duplicate", "late", "expired", "followed", "forgotten"]},
    )
    records: int
    examples: list[LeftOutEvent] = Field(description="the newest")


class Explanation(BaseModel):
    """The events behind the rows of a view."""

    view: str
    kind: str
    as_of: str = Field(json_schema_extra=TIME)
    from_: str | None = Field(alias="from", json_schema_extra=TIME)
    to: str | None = Field(json_schema_extra=TIME)
    rows: list[dict[str, Any]] = Field(description="the view's own, with the same checkpoint offsets")
    adds_up: bool | None = Field(
        description="whether SQL over these records gives the same rows; null: `notes` says why that is"
        " not known"
    )
    differences: list[DifferenceRow]
    notes: list[str]
    partitions: list[ExplainedPartition]
    newest: list[ExplainedEvent]
    largest: list[ExplainedEvent] = Field(description="by amount; none where no value is added")
    left_out: list[LeftOut]
    sources: dict[str, int] = Field(
        description="how many of the events were read from bronze, and from kafka"
    )


def explanation(view: View) -> type[Explanation]:
    """What explains a view's rows."""
    items: dict[str, Any] = {
        "title": f"{view.name} events",
        "type": "object",
        "properties": {
            **{name: {"type": ["string", "null"]} for name in event_keys(view)},
            "records": {"type": "integer"},
            **{name: row_schema(view)["properties"][name] for name in added_measures(view)},
        },
    }
    events = Field(description="what they add to each measure, by event", json_schema_extra={"items": items})
    return create_model(
        f"{view.name}_explanation",
        __base__=Explanation,
        __doc__=Explanation.__doc__,
        events=(list[dict[str, Any]], events),
    )
