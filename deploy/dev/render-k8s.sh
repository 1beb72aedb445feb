#!/usr/bin/env bash
# Writes what deploy/k8s has of the chart, which is its one source: render-k8s.sh [FOLDER]. It needs Helm, on PATH or in
# ~/.cache/sluice/bin.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:-deploy/k8s}
chart=deploy/helm/sluice
PATH=$PATH:${XDG_CACHE_HOME:-$HOME/.cache}/sluice/bin
if ! command -v helm >/dev/null; then
    echo "helm is missing: GOBIN=~/.cache/sluice/bin go install helm.sh/helm/v3/cmd/helm@v3.22.0" >&2
    exit 1
fi
mkdir -p "$out"/{base,monitoring,autoscaling}

render() {
    helm template sluice $chart --kube-version 1.33.0 "$@" 2> >(grep -v 'found symbolic link' >&2) | grep -v '^# Source: '
}

said="# Rendered from $chart by 'make k8s': change it there."
only=()
for template in $chart/templates/*.yaml; do
    case ${template##*/} in
        settings.yaml | monitoring.yaml | scaling.yaml) ;;
        *) only+=(--show-only "templates/${template##*/}") ;;
    esac
done
{ echo "$said" && render "${only[@]}"; } >"$out/base/rendered.yaml"
# The ConfigMap is made by Kustomize, which names it by its content: pods are replaced when an overlay changes it.
{
    echo "$said"
    render --show-only templates/settings.yaml | sed -nE '/^data:/,$ s/^  ([A-Z_]+): "?([^"]*)"?$/\1=\2/p'
} >"$out/base/settings.env"
{ echo "$said" && render --set monitoring.enabled=true --show-only templates/monitoring.yaml; } >"$out/monitoring/rendered.yaml"
{ echo "$said" && render --set autoscaling.enabled=true --show-only templates/scaling.yaml; } >"$out/autoscaling/rendered.yaml"
