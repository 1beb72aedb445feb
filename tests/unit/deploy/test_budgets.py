"""deploy/aws/budgets.yml: CloudFormation would take it, and all that costs something is watched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import cfnlint.decode
import pytest
from cfnlint.api import ManualArgs, lint

from tests.support.paths import ROOT

FILE = ROOT / "deploy" / "aws" / "budgets.yml"
PUBLISHERS = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
MONEY = {
    "s3-storage": "Amazon Simple Storage Service",
    "s3-requests": "Amazon Simple Storage Service",
    "athena": "Amazon Athena",
    "glue": "AWS Glue",
    "glue-dpu-hours": "AWS Glue",
    "quicksight": "Amazon QuickSight",
    "firehose": "Amazon Kinesis Firehose",
}
QUANTITIES = {
    "s3-storage": {("AWS/S3", "BucketSizeBytes")},
    "s3-objects": {("AWS/S3", "NumberOfObjects")},
    "s3-puts": {("AWS/S3", "PutRequests"), ("AWS/S3", "ListRequests")},
    "athena-scanned": {("AWS/Athena", "ProcessedBytes")},
    "quicksight-spice": {
        ("AWS/QuickSight", "SPICECapacityConsumedInMB"), ("AWS/QuickSight", "SPICECapacityLimitInMB"),
    },
    "firehose-bytes": {("AWS/Firehose", "IncomingBytes")},
}  # fmt: skip
"""Of DPU-hours AWS has no metric."""
OF_THE_ACCOUNT = "quicksight"
REGIONS = ["eu-central-1", "us-east-1"]
REFUSED = {
    "Environment": ["", "Prod", "a b", "prod!", "x" * 32],
    "EnvironmentTag": ["a b", "é"],
    "BronzeBucket": ["", "s3://bronze", "bronze/prefix", "Bronze"],
    "RequestMetricsFilter": ["", "a b"],
    "AthenaWorkGroup": ["", "a/b"],
    "FirehoseStream": ["a/b"],
    "Email": ["nobody", "a@", "a b@example.org"],
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    found, unread = cfnlint.decode.decode(str(FILE))
    assert not unread
    return dict(found)


def of_type(template: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    for resource in template["Resources"].values():
        if resource["Type"] == kind:
            yield resource["Properties"]


def by_name(found: Iterator[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """By what follows the environment in their names."""
    named = {one[name]["Fn::Sub"]: one for one in found}
    assert all(full.startswith("sluice-${Environment}-") for full in named), named
    return {full.removeprefix("sluice-${Environment}-"): one for full, one in named.items()}


def budgets(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = of_type(template, "AWS::Budgets::Budget")
    told = ({**one["Budget"], "told": one["NotificationsWithSubscribers"]} for one in found)
    return by_name(told, "BudgetName")


def alarms(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return by_name(of_type(template, "AWS::CloudWatch::Alarm"), "AlarmName")


def problems(text: str) -> list[str]:
    return [f"{match.rule.id} {match.message}" for match in lint(text, config=ManualArgs(regions=REGIONS))]


def test_cloudformation_would_take_it() -> None:
    assert problems(FILE.read_text(encoding="utf-8")) == []


def test_what_cloudformation_would_not_take_is_seen() -> None:
    text = FILE.read_text(encoding="utf-8")
    for right, wrong in (("TimeUnit: MONTHLY", "TimeUnits: MONTHLY"), ("!Ref Topic", "!Ref Topik")):
        assert problems(text.replace(right, wrong, 1))


def test_each_service_has_a_budget_of_the_environment_that_tells_the_topic(template: dict[str, Any]) -> None:
    found = budgets(template)
    assert {name: one["CostFilters"]["Service"][0] for name, one in found.items()} == MONEY
    for name, one in found.items():
        assert one["BudgetLimit"]["Amount"]["Ref"] in template["Parameters"]
        assert one["TimeUnit"] == "MONTHLY"
        told = {
            (each["Notification"]["NotificationType"], each["Notification"]["Threshold"])
            for each in one["told"]
        }
        assert told == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}
        for each in one["told"]:
            assert each["Subscribers"] == [{"SubscriptionType": "SNS", "Address": {"Ref": "Topic"}}]
        tagged = "${EnvironmentTag}$${Environment}" in str(one["CostFilters"].get("TagKeyValue"))
        assert tagged == (name != OF_THE_ACCOUNT)


def test_each_quantity_has_an_alarm_that_tells_the_topic(template: dict[str, Any]) -> None:
    found = alarms(template)
    assert found.keys() == QUANTITIES.keys()
    for name, one in found.items():
        assert one["AlarmActions"] == [{"Ref": "Topic"}]
        assert one["Threshold"]["Ref"] in template["Parameters"]
        measured = [each["MetricStat"]["Metric"] for each in one["Metrics"] if "MetricStat" in each]
        assert {(metric["Namespace"], metric["MetricName"]) for metric in measured} == QUANTITIES[name]
        assert [each["Id"] for each in one["Metrics"] if each["ReturnData"]] == ["judged"]
        (page,) = re.findall(r"docs/\S+", one["AlarmDescription"])
        assert (ROOT / page).is_file()


def test_requests_that_nobody_counts_are_told_of(template: dict[str, Any]) -> None:
    """A bucket without request metrics would never be over its limit."""
    puts = alarms(template)["s3-puts"]
    assert puts["InsufficientDataActions"] == [{"Ref": "Topic"}]
    assert puts["TreatMissingData"] == "missing"
    (judged,) = [each["Expression"] for each in puts["Metrics"] if each["ReturnData"]]
    assert judged == "30 * (puts + FILL(lists, 0))", (
        "days without a LIST are usual, without a PUT they are not"
    )


def test_the_topic_is_encrypted_and_its_publishers_may_use_the_key(template: dict[str, Any]) -> None:
    (topic,), (key,), (policy,) = (
        list(of_type(template, kind))
        for kind in ("AWS::SNS::Topic", "AWS::KMS::Key", "AWS::SNS::TopicPolicy")
    )
    assert topic["KmsMasterKeyId"] == {"Ref": "Key"}
    assert key["EnableKeyRotation"] is True
    for statements in (key["KeyPolicy"]["Statement"], policy["PolicyDocument"]["Statement"]):
        (allowed,) = (one for one in statements if one["Sid"] == "Publishers")
        assert allowed["Principal"]["Service"] == PUBLISHERS
        assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    denied = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
    assert [one["Condition"]["Bool"]["aws:SecureTransport"] for one in denied] == [False]


def test_every_text_that_is_asked_for_has_a_rule_and_says_what_it_is(template: dict[str, Any]) -> None:
    texts = {name: one for name, one in template["Parameters"].items() if one["Type"] == "String"}
    assert texts.keys() == REFUSED.keys()
    for name, one in texts.items():
        assert one["ConstraintDescription"]
        for text in REFUSED[name]:
            assert not re.fullmatch(one["AllowedPattern"], text), (name, text)
        assert re.fullmatch(one["AllowedPattern"], one.get("Default", "example"))
    assert all("MinValue" in one for one in template["Parameters"].values() if one["Type"] == "Number")
