"""deploy/helm and deploy/k8s: what they say exists, and is as Kubernetes and our own commands want it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from streams import metrics
from streams.settings import Settings
from streams.version import VERSION
from tests.support.deployed import check_command, check_environ
from tests.support.manifests import (
    CHART,
    KUSTOMIZE,
    RELEASE,
    Document,
    Workload,
    committed,
    files_there,
    helm,
    kustomized,
    rendered,
    workloads,
)
from tests.support.paths import ROOT

KUBERNETES = "1.37"
CUSTOM = ("ScaledObject", "ServiceMonitor", "PrometheusRule")
EVERYTHING = (
    "--set=roles.notify.enabled=true",
    "--set=monitoring.enabled=true", "--set=autoscaling.enabled=true", "--set=aws.secret=store",
    "--set=aws.endpointUrl=https://s3.example.com", "--set=image.pullSecrets={registry}",
    "--set-json=serviceAccount.annotations={\"a/b\": \"c\"}", "--set-json=nodeSelector={\"disk\": \"ssd\"}",
    "--set-json=tolerations=[{\"key\": \"spot\", \"operator\": \"Exists\"}]",
    "--set-json=secretFiles.SLUICE_HTTP_TLS_CERT={\"secret\": \"tls\", \"key\": \"tls.pem\"}",
    "--set-json=secretFiles.SLUICE_HTTP_TLS_CERT.roles=[\"api\"]",
)  # fmt: skip


SOURCES: dict[str, Callable[[], list[Document]]] = {
    "committed": committed,
    "chart": rendered,
    "chart with everything": lambda: rendered(*EVERYTHING),
    "overlay": lambda: kustomized(KUSTOMIZE / "overlays/example"),
}


@pytest.fixture(scope="module", params=SOURCES)
def deployed(request: pytest.FixtureRequest) -> list[Document]:
    return SOURCES[request.param]()


def check(document: Document) -> None:
    """As the API server would, members that it does not know included."""
    if document["kind"] not in CUSTOM:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        return
    file = ROOT / "tests/support/published" / f"{document['kind']}.json"
    Draft202012Validator(json.loads(file.read_text("utf-8"))).validate(document)


def test_kubernetes_takes_every_document(deployed: list[Document]) -> None:
    for document in deployed:
        check(document)


def test_what_kubernetes_does_not_know_would_be_seen() -> None:
    for kind, path in (
        ("StatefulSet", "replica"),
        ("ScaledObject", "minReplicas"),
        ("ServiceMonitor", "ports"),
    ):
        document = next(one for one in committed() if one["kind"] == kind)
        document["spec"][path] = 1
        with pytest.raises(Exception, match=path):
            check(document)


def test_what_is_committed_is_what_the_chart_makes(tmp_path: Path) -> None:
    helm("version")
    done = subprocess.run(
        [ROOT / "deploy/dev/render-k8s.sh", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    made = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file())
    assert len(made) == 4
    for name in made:
        assert (tmp_path / name).read_text() == (KUSTOMIZE / name).read_text(), "run `make k8s`"


def test_commands_settings_ports_and_probes_are_ours(deployed: list[Document], tmp_path: Path) -> None:
    for workload in workloads(deployed):
        check_command(workload.container["args"])
        settings = check_environ(files_there(workload, tmp_path / workload.name))
        if workload.document["kind"] == "Job":
            continue
        (port,) = workload.container["ports"]
        host, listening = listens(workload, settings)
        assert (port["name"], port["containerPort"], host) == ("http", listening, "0.0.0.0")
        for probe, path in (("startup", "healthz"), ("liveness", "healthz"), ("readiness", "readyz")):
            asked = workload.container[f"{probe}Probe"]["httpGet"]
            scheme = "HTTPS" if workload.role == "api" and settings.http_tls_cert else "HTTP"
            assert asked == {"path": f"/{path}", "port": "http", "scheme": scheme}


def listens(workload: Workload, settings: Settings) -> tuple[str, int]:
    """Where the command listens."""
    kind = workload.container["args"][0]
    if kind == "worker":
        return settings.metrics_host, settings.metrics_port
    of = {
        "api": (settings.http_host, settings.http_port),
        "ingest": (settings.ingest_host, settings.ingest_port),
    }
    return of[kind]


def test_what_keeps_partitions_has_a_name_that_stays(deployed: list[Document]) -> None:
    sets = [one for one in workloads(deployed) if one.document["kind"] == "StatefulSet"]
    assert {one.role for one in sets} == {"views", "bronze"}
    for one in sets:
        assert one.environ["SLUICE_INSTANCE"] == f"{one.name}-0"
        (service,) = (
            other for other in deployed
            if other["kind"] == "Service" and other["metadata"]["name"] == one.document["spec"]["serviceName"]
        )  # fmt: skip
        assert service["spec"]["clusterIP"] == "None"


def test_pods_have_no_rights_and_write_to_two_folders(deployed: list[Document]) -> None:
    for workload in workloads(deployed):
        pod, container = workload.pod, workload.container
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        empty = {one["name"] for one in pod["volumes"] if "emptyDir" in one}
        written = [one["mountPath"] for one in container["volumeMounts"] if one["name"] in empty]
        assert written == ["/tmp", "/var/lib/sluice"]
        assert re.search(rf":{re.escape(VERSION)}$", container["image"])


def test_selectors_find_what_they_are_for(deployed: list[Document]) -> None:
    running = [one for one in workloads(deployed) if one.document["kind"] != "Job"]
    for document in (one for one in deployed if one["kind"] in ("Service", "PodDisruptionBudget")):
        selector = document["spec"]["selector"]
        wanted = selector.get("matchLabels", selector).items()
        assert [one.name for one in running if wanted <= one.labels.items()] == [document["metadata"]["name"]]
    ports = {one["metadata"]["name"]: one["spec"]["ports"] for one in deployed if one["kind"] == "Service"}
    for workload in running:
        assert [one["targetPort"] for one in ports[workload.name]] == ["http"]
        assert workload.document["spec"]["selector"]["matchLabels"].items() <= workload.labels.items()
        for spread in workload.pod["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"].items() <= workload.labels.items()


def scaled(all_documents: list[Document]) -> list[tuple[Document, Workload]]:
    """Each ScaledObject's declaration, and what it scales."""
    targets = {one.name: one for one in workloads(all_documents)}
    declared = [one["spec"] for one in all_documents if one["kind"] == "ScaledObject"]
    return [(one, targets[one["scaleTargetRef"]["name"]]) for one in declared]


def test_more_workers_come_by_a_metric_and_for_a_group_that_there_is(deployed: list[Document]) -> None:
    for declared, target in scaled(deployed):
        (trigger,) = declared["triggers"]
        (by, name, group) = re.findall(
            r'max by \((.+?)\) \((\w+)\{group="(.+?)"\}\)', trigger["metadata"]["query"]
        )[0]
        assert name == next(iter(metrics.LAG_RECORDS.describe())).name
        assert {"group", *by.split(", ")} == set(metrics.LAG_RECORDS._labelnames)
        assert group == Settings.load({}).group(target.role)


@pytest.mark.parametrize("source", ["chart with everything", "overlay"])
def test_one_alone_says_how_many_workers_there_are(source: str) -> None:
    found = scaled(SOURCES[source]())
    assert {target.role for _, target in found} == {"views", "bronze"}
    for declared, target in found:
        assert "replicas" not in target.document["spec"]
        assert declared["minReplicaCount"] == 2


def test_prometheus_names_targets_as_the_alerts_do(deployed: list[Document]) -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    expected = {
        group["labels"]["role"]: job["job_name"]
        for job in config["scrape_configs"]
        for group in job["static_configs"]
    }
    for monitor in (one for one in deployed if one["kind"] == "ServiceMonitor"):
        found = {}
        for endpoint in monitor["spec"]["endpoints"]:
            kept, role, job = endpoint["relabelings"]
            assert kept["regex"] == role["replacement"]
            found[role["replacement"]] = job["replacement"]
        assert found == {role: expected.get(role, "sluice-worker") for role in found}
        assert set(found) == {one.role for one in workloads(deployed) if one.document["kind"] != "Job"}


def test_the_alerts_are_those_of_prometheus(deployed: list[Document]) -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text("utf-8"))
    assert all(one["spec"] == rules for one in deployed if one["kind"] == "PrometheusRule")


def test_the_chart_is_of_this_release() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == VERSION
    said = helm("lint", "--strict", str(CHART))
    assert said.returncode == 0, said.stdout


WRONG = {
    "--set=replicas=3": "additional properties 'replicas' not allowed",
    "--set=roles.api.prot=8081": "at '/roles/api': additional properties 'prot' not allowed",
    "--set=roles.views.port=http": "at '/roles/views/port': got string, want integer",
    "--set=image.digest=abc": "at '/image/digest'",
    "--set=settings.SLUICE_KAFKA=kafka": "at '/settings/SLUICE_KAFKA'",
    "--set=settings.SLUICE_PARTITIONS=16": "at '/settings/SLUICE_PARTITIONS': got number, want string",
    "--set=settings.SLUICE_KAFAK=kafka:9092": "settings.SLUICE_KAFAK: there is no such setting",
    '--set-json=secretFiles.SLUICE_JWK_FILE={"secret": "a", "key": "b"}': "secretFiles.SLUICE_JWK_FILE: ",
    "--set-string=settings.SLUICE_HTTP_PORT=1": "settings.SLUICE_HTTP_PORT: is not to be set",
    "--set-json=secretFiles.SLUICE_USER={\"secret\": \"a\", \"key\": \"b\"}": "'SLUICE_USER'",
    "--set-json=secretFiles.SLUICE_JWKS_FILE={\"secret\": \"a\"}": "at '/secretFiles/SLUICE_JWKS_FILE'",
    "--set=autoscaling.enabled=true,autoscaling.maxReplicas=17": "autoscaling.maxReplicas: 17",
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_value_is_refused_by_name(wrong: str) -> None:
    done = helm("template", *RELEASE, wrong)
    assert done.returncode != 0
    assert WRONG[wrong] in done.stderr
