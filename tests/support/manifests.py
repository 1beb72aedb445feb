"""Kubernetes' manifests of deploy/: rendered by Helm and Kustomize, and what their pods would be given."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.versity import cache

CHART = ROOT / "deploy/helm/sluice"
KUSTOMIZE = ROOT / "deploy/k8s"
HELM_MODULE = "helm.sh/helm/v3/cmd/helm@v3.22.0"
RELEASE = ("sluice", str(CHART), "--kube-version", "1.33.0")
Document = dict[str, Any]
SECRETS = {
    "tokens": f"ana,{hashlib.sha256(b'a-token').hexdigest()}\n",
    "analyst_city_scope": "analyst,city\nana,*\n",
    "token": "a-token\n",
    "notify.toml": '[[target]]\nname = "one"\nkind = "slack"\nurl = "http://127.0.0.1:9/"\n',
    "tls.pem": "a certificate and its key\n",
}
"""What the chart's Secrets might hold, by key."""


def program_folder() -> Path:
    """Where programs that Go has built once lie, beside PATH."""
    return cache().parent / "bin"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm, or the test is skipped."""
    path = os.pathsep.join([os.environ.get("PATH", ""), str(program_folder())])
    program = shutil.which("helm", path=path)
    if program is None:
        pytest.skip(f"helm is missing: GOBIN={program_folder()} go install {HELM_MODULE}")
    return _run(program, *arguments)


def rendered(*arguments: str) -> list[Document]:
    """The chart's documents."""
    done = helm("template", *RELEASE, *arguments)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def kustomized(folder: Path) -> list[Document]:
    """What Kustomize makes of a folder; without it the test is skipped."""
    for program in (("kustomize", "build"), ("kubectl", "kustomize")):
        if shutil.which(program[0]) is not None:
            done = _run(*program, str(folder))
            assert done.returncode == 0, done.stderr
            return documents(done.stdout)
    pytest.skip("kustomize is missing: install it, or kubectl, which has it")


def documents(text: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(text) if document]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)


@dataclass(frozen=True)
class Workload:
    """What has pods, among all documents it is deployed with."""

    document: Document
    beside: list[Document]

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def role(self) -> str:
        return str(self.labels["app.kubernetes.io/component"])

    @property
    def labels(self) -> dict[str, str]:
        """Those of its pods."""
        return dict(self.document["spec"]["template"]["metadata"]["labels"])

    @property
    def pod(self) -> Document:
        return dict(self.document["spec"]["template"]["spec"])

    @property
    def container(self) -> Document:
        (only,) = self.pod["containers"]
        return dict(only)

    @property
    def environ(self) -> dict[str, str]:
        """As the first of its pods has it; what comes from a Secret is left out."""
        found: dict[str, str] = {}
        for source in self.container["envFrom"]:
            if "configMapRef" in source:
                found |= self._beside("ConfigMap", source["configMapRef"]["name"])["data"]
        for one in self.container.get("env", ()):
            if "valueFrom" in one:
                assert one["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
            found[one["name"]] = one.get("value", f"{self.name}-0")
        return found

    def secret_files(self) -> Iterator[str]:
        """The files that its Secrets' keys are in the container."""
        volumes = {one["name"]: one for one in self.pod["volumes"]}
        for mount in self.container["volumeMounts"]:
            for item in volumes[mount["name"]].get("secret", {}).get("items", ()):
                assert mount["readOnly"] is True
                yield f"{mount['mountPath']}/{item['path']}"

    def _beside(self, kind: str, name: str) -> Document:
        (found,) = (one for one in self.beside if one["kind"] == kind and one["metadata"]["name"] == name)
        return found


def workloads(all_documents: list[Document]) -> list[Workload]:
    """The Deployments, StatefulSets and Jobs."""
    kinds = ("Deployment", "StatefulSet", "Job")
    return [Workload(one, all_documents) for one in all_documents if one["kind"] in kinds]


def committed() -> list[Document]:
    """What Kustomize is given, as the repository has it: it needs no program."""
    found = [one for file in KUSTOMIZE.rglob("*.yaml") for one in documents(file.read_text("utf-8"))]
    lines = (KUSTOMIZE / "base/settings.env").read_text("utf-8").splitlines()
    data = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "sluice-settings"},
        "data": data,
    }
    return [settings, *(one for one in found if one["kind"] not in ("Kustomization", "Component"))]


def files_there(workload: Workload, folder: Path) -> dict[str, str]:
    """A pod's environment, with its Secrets' files in a folder of this machine in place of /."""
    files = secret_files(workload, folder)
    return {name: str(files.get(value, value)) for name, value in workload.environ.items()}


def secret_files(workload: Workload, folder: Path) -> dict[str, Path]:
    """Files such as a pod's Secrets might hold, by where the pod has them."""
    made = {}
    for path in workload.secret_files():
        made[path] = folder / path.lstrip("/")
        made[path].parent.mkdir(parents=True, exist_ok=True)
        made[path].write_text(SECRETS[made[path].name], "utf-8")
    return made
