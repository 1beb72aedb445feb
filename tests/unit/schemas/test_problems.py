"""What an extension's events may be: what both decoders read alike, and what has a name of its own."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from annotated_types import MultipleOf
from pydantic import AfterValidator, ConfigDict, Field, create_model, field_validator, model_validator

from schemas.catalogue import OWN
from schemas.extensions import Extension, ExtensionError
from schemas.problems import check_extension, problems
from schemas.spec import MISSING, EventSpec
from schemas.types import Currency, Id, Instant, Name, Payload


class Sold(Payload):
    """A gift card was sold."""

    gift_id: Id


def spec(payload: Any = Sold, name: str = "gift.sold", **changed: Any) -> EventSpec:
    given = {"examples": ({"gift_id": "g"},), "counter_examples": (({"gift_id": MISSING}, "gift_id"),)}
    return EventSpec(name=name, payload=payload, **{**given, **changed})


def of_field(kind: Any, default: Any = ..., name: str = "field") -> list[str]:
    fields: dict[str, Any] = {name: (kind, default)}
    payload = create_model("Made", __base__=Payload, __doc__="It was made.", **fields)
    payload.__module__ = "acme.made"
    return [
        line for line in problems(spec(payload, examples=(), counter_examples=())) if "examples" not in line
    ]


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
def test_ours_have_none(own: EventSpec) -> None:
    assert [*problems(own)] == []


@pytest.mark.parametrize(
    "name",
    ["gift", "Gift.sold", "gift.sold.again", "gift/sold", "gift.", "_gift.sold", "g.sold\n", "g." + "x" * 63],
)
def test_a_name_can_be_a_path_and_a_label(name: str) -> None:
    assert [line for line in problems(spec(name=name)) if "like `domain.name`" in line]


@pytest.mark.parametrize(
    "kind",
    [
        Id,
        Instant,
        Instant | None,
        Literal["a", "b"] | None,
        bool,
        Annotated[float, Field(gt=0)],
        Annotated[str, Field(max_length=9, pattern=r"^[A-Z]{2}-[0-9a-f]+$")],
    ],
)
def test_what_both_decoders_read_alike_is_taken(kind: Any) -> None:
    assert of_field(kind) == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Decimal, "cannot be of type"),
        (list[str], "cannot be of type"),
        (int | str, "several types"),
        (None, "null alone"),
        (Literal[1, 2], "choices are not all text"),
        (datetime, r"has to be a schemas\.types\.Instant"),
        (Annotated[str, AfterValidator(str.upper)], "AfterValidator is not supported"),
        (Annotated[int, MultipleOf(5)], "MultipleOf is not supported"),
        (Annotated[int, Field(strict=False)], "Strict is not supported"),
        (Annotated[str, Field(pattern="a|b")], "is not plain"),
        (Annotated[str, Field(pattern=r"^\w+$")], "is not plain"),
        (Annotated[str, Field(pattern="^[a-z&&[^b]]$")], "is not plain"),
        (Annotated[str, Field(pattern="^a|b$")], "is not plain"),
        (Annotated[int, Field(ge=2**70)], "field field: "),
        (Annotated[str, Field(alias="other")], "has an alias"),
        (Annotated[str, Field(default_factory=str)], "default_factory"),
    ],
)
def test_what_one_of_them_reads_otherwise_is_refused(kind: Any, said: str) -> None:
    found = of_field(kind)
    assert found
    assert re.search(said, found[0]), found


@pytest.mark.parametrize("name", ["city", "event_id", "Gift", "lambda"])
def test_a_field_has_a_name_of_its_own(name: str) -> None:
    assert of_field(str, name=name) == [
        f"field {name}: its name is the envelope's, or not of a-z, 0-9 and _: rename it"
    ]


class Undocumented(Sold):
    __doc__ = ""


class Coercing(Sold):
    """It was made."""

    model_config = ConfigDict(strict=False)


class Checking(Sold):
    """It was made."""

    @field_validator("gift_id")
    @classmethod
    def check(cls, value: str) -> str:
        return value


class CheckingAll(Sold):
    """It was made."""

    @model_validator(mode="after")
    def check(self) -> CheckingAll:
        return self


class Acting(Sold):
    """It was made."""

    def model_post_init(self, context: Any, /) -> None:
        """Act."""


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (spec(Undocumented), "Undocumented has no docstring: say there"),
        (spec(Coercing), "Coercing has a model_config of its own"),
        (spec(Checking), "Checking has validators of its own"),
        (spec(CheckingAll), "CheckingAll has validators of its own"),
        (spec(Acting), "Acting has code that runs when it is made"),
        (spec(dict), "its payload is no subclass of schemas.types.Payload"),
        (spec(version=0), "version is 0"),
        (spec(version=True), "version is True"),
        (spec(examples=()), "it has no examples"),
        (spec(examples=({"gift_id": 1},)), "its example 1 is refused for gift_id"),
        (spec(examples=({"gift_id": object()},)), "its example 1 is refused for what JSON has no word for"),
        (spec(counter_examples=(({}, "gift_id"),)), "its counter-example for gift_id is accepted"),
        (spec(counter_examples=(({"gift_id": 1}, "id"),)), "counter-example for id is refused for gift_id"),
    ],
)
def test_a_wrong_declaration_is_named(declared: EventSpec, said: str) -> None:
    found = [*problems(declared)]
    assert len(found) == 1
    assert said in found[0]


def of_module(module: str, **fields: Any) -> type[Payload]:
    made = create_model("Made", __base__=Sold, __doc__="It was made.", **fields)
    made.__module__ = module
    return made


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (spec(name="payout.paid"), "Sluice declares an event of that name: rename yours"),
        (spec(name="payout_paid.x"), None),
        (spec(name="studio.verification.requested"), "its name is not like"),
        (
            spec(name="studio_verification.requested"),
            "in Avro it would be called like studio.verification_requested",
        ),
        (
            spec(of_module("acme.payments")),
            "its domain is payments, after the module of its payload, and Sluice",
        ),
        (spec(of_module("acme.Gifts")), "declared in a module named Gifts"),
        (spec(of_module("acme.gifts", currency=(Name, "EUR"))), "field currency has another pattern in "),
        (spec(of_module("acme.gifts", currency=(Currency, "EUR"))), None),
        (spec(name="gift.lost"), None),
        (spec(examples={"gift_id": "g"}), r"it is not of the types .* ends with a comma"),
        (spec(counter_examples=({"gift_id": 1}, "gift_id")), r"it is not of the types"),
    ],
)
def test_a_clash_is_named_with_both_packages(declared: EventSpec, said: str | None) -> None:
    extension = Extension("acme", "1", (declared,), ())
    packages = dict.fromkeys(OWN, "Sluice")
    if said is None:
        check_extension(extension, OWN, packages)
    else:
        with pytest.raises(ExtensionError, match=rf"^acme: event {declared.name}: .*{said}"):
            check_extension(extension, OWN, packages)


def test_two_extensions_clash_by_their_names() -> None:
    theirs = spec(of_module("other.cards"))
    events, packages = {**OWN, theirs.name: theirs}, {**dict.fromkeys(OWN, "Sluice"), theirs.name: "other"}
    ours = Extension("acme", "1", (spec(of_module("acme.gifts")),), ())
    with pytest.raises(ExtensionError, match=r"^acme: event gift.sold: other declares an event of that name"):
        check_extension(ours, events, packages)
    same_domain = ours._replace(events=(spec(of_module("acme.cards"), name="gift.lost"),))
    with pytest.raises(ExtensionError, match=r"its domain is cards, .* and other has one"):
        check_extension(same_domain, events, packages)
    twice = ours._replace(events=(*ours.events, *ours.events))
    with pytest.raises(ExtensionError, match=r"acme declares an event of that name"):
        check_extension(twice, OWN, dict.fromkeys(OWN, "Sluice"))
