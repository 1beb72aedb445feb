"""What is wrong in a mapping file is told with its line and its column, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.sources.mappings.declared.load import MappingFileError, load

GOOD = """\
event: fee.assessed
event_id: id
occurred_at: at
payload:
  fee_id: id
  kind: {const: platform}
  amount_minor: amount
  currency: currency
"""

WRONG = [
    ("event: fee.assessed", "event: fee.asessed", 1, 8, "event fee.asessed: did you mean fee.assessed?"),
    ("event_id: id", "event_di: id", 2, 1, "a mapping has no event_di: did you mean event_id?"),
    ("event_id: id\n", "", 1, 1, "event_id is missing"),
    ("occurred_at: at", "occurred_at: at[", 3, 17, "occurred_at: the expression is not complete"),
    ("occurred_at: at", "occurred_at: 'a ? b'", 3, 17, "wrong character"),
    ("occurred_at: at", "occurred_at: lenth(at)", 3, 14, "there is no function lenth: did you mean length?"),
    ("occurred_at: at", "occurred_at: length(a, b)", 3, 14, "length takes 1 arguments, not 2"),
    ("occurred_at: at", "occurred_at: {expr: at, time: unx}", 3, 31, "must be one of unix"),
    ("occurred_at: at", "occurred_at: {expr: at, time: '%d/%m'}", 3, 31, "has no zone"),
    ("occurred_at: at", "occurred_at: {expr: at, time: '%d %Q', zone: UTC}", 3, 31, "is no pattern of times"),
    ("occurred_at: at", "occurred_at: {expr: at, time: '%H', zone: Mars}", 3, 43, "there is no such zone"),
    ("occurred_at: at", "occurred_at: {expr: at, time: unix, zone: UTC}", 3, 37, "unix times have none"),
    ("occurred_at: at", "occurred_at: {expr: at, zone: UTC}", 3, 25, "is for a time of a form"),
    ("occurred_at: at", "occurred_at: {expr: at, const: b}", 3, 14, "exactly one of expr, const"),
    ("occurred_at: at", "occurred_at: [at]", 3, 14, "occurred_at must be a mapping"),
    ("event_id: id", 'event_id: {template: "a{b[}"}', 2, 27, "the expression is not complete"),
    ("event_id: id", "event_id: {template: abc}", 2, 22, "always the same"),
    ("event_id: id", "event_id: {template: 'a{b'}", 2, 22, "a brace is left over"),
    ("event_id: id", "event_id: {hash: []}", 2, 18, "one element at least"),
    ("  fee_id: id", "  fee_di: id", 5, 3, "has no fee_di: did you mean fee_id?"),
    ("  fee_id: id\n", "", 5, 3, "the payload of fee.assessed needs fee_id"),
    ("platform", "platfrom", 6, 17, "payload.kind: Input should be 'platform' or 'processing'"),
    ("{const: platform}", "{expr: k, lookup: {a: b}}", 6, 31, "Input should be 'platform' or 'processing'"),
    ("{const: platform}", "{expr: k, default: platform}", 6, 19, "default is for a lookup"),
    ("{const: platform}", "{expr: k, upper: 7}", 6, 26, "upper must be true"),
    ("amount_minor: amount", "amount_minor: {minor: {amount: a}}", 7, 25, "needs currency"),
    ("amount_minor: amount", "amount_minor: {minor: a}", 7, 25, "must be a mapping"),
    ("currency: currency", "currency: currency\n  currency: c", 9, 3, "currency is there twice"),
    ("currency: currency", "currency: &a currency", 8, 13, "anchors and aliases"),
    ("currency: currency", "currency: !!str currency", 8, 13, "tags are not taken"),
    ("currency: currency", "currency: [", 9, 1, "is no YAML"),
    ("event_id: id", "event_id: id\ninput: xml", 3, 8, "input must be one of json, csv"),
    ("event_id: id", "event_id: id\ndelimiter: ;", 3, 1, "delimiter is for input: csv"),
    ("event_id: id", "event_id: id\ninput: csv\ndelimiter: ;;", 4, 12, "must be one character"),
    ("event_id: id", "event_id: id\nname: a b", 3, 7, "name must be of"),
    ("event_id: id", "event_id: id\nexamples:\n  - in: {}", 4, 5, "an example needs in, and one of"),
    ("event_id: id", "event_id: id\nexamples:\n  - {in: {}, out: {a: 1}}", 4, 19, "out must be an envelope"),
    ("event_id: id", "event_id: id\nexamples:\n  - {in: {}, not_for_us: no}", 4, 26, "must be true"),
    (GOOD, "- a\n", 1, 1, "must be a mapping"),
    (GOOD, "", 1, 1, "must be a mapping"),
    (GOOD, "events: []\n", 1, 9, "must be a list, with one element at least"),
    (GOOD, "events:\n  - wehre: a\n", 2, 5, "an event has no wehre: did you mean where?"),
]  # fmt: skip


def problems_of(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MappingFileError) as error:
        load(path)
    return str(error.value).replace(f"{path}, ", "").splitlines()


@pytest.mark.parametrize("wrong", WRONG, ids=[one[1] for one in WRONG])
def test_a_problem_is_told_with_its_place(tmp_path: Path, wrong: tuple[str, str, int, int, str]) -> None:
    was, becomes, line, column, said = wrong
    assert was in GOOD
    found = problems_of(tmp_path, GOOD.replace(was, becomes, 1))
    place = f"line {line}, column {column}: "
    assert any(one.startswith(place) and said in one for one in found), found


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace("fee_id", "fee_di").replace("event_id: id", "event_id: id[").replace("at: at", "at: ''")
    )
    assert [one.partition(":")[0] for one in problems_of(tmp_path, text)] == [
        "line 2, column 14",
        "line 3, column 14",
        "line 5, column 3",
        "line 5, column 3",
    ]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for data, said in (
        (b"\xff\xfe\xfd", "is no text in UTF-8"),
        (b"a: \x00", "is no YAML"),
        (b"#" * 2**21, "1 MiB"),
    ):
        path = tmp_path / "map.yaml"
        path.write_bytes(data)
        with pytest.raises(MappingFileError, match=said):
            load(path)
    with pytest.raises(MappingFileError, match="cannot be read"):
        load(tmp_path)
    deep = tmp_path / "deep.yaml"
    deep.write_text("[" * 5000)
    with pytest.raises(MappingFileError, match="is no YAML"):
        load(deep)
