#!/usr/bin/env bash
# Fetches what a pom.xml lists from Maven Central into target/lib beside it: fetch-kafka.sh [FOLDER], which is
# deploy/kafka, the embedded Kafka, unless another one is named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cd "${1:-deploy/kafka}"

if ! version=$(java -version 2>&1); then
    echo "Java is missing: install Java 17 or newer (for example openjdk-17-jdk-headless)" >&2
    exit 1
fi
major=$(sed -nE 's/.*version "([0-9]+).*/\1/p' <<<"$version" | head -n 1)
if ((${major:-0} < 17)); then
    echo "Java ${major:-of an unknown version} is too old: install Java 17 or newer (for example openjdk-17-jdk-headless)" >&2
    exit 1
fi
if ! command -v mvn >/dev/null; then
    echo "Maven is missing: install it (for example the package maven)" >&2
    exit 1
fi
echo "Fetching Apache Kafka from Maven Central"
# Jars of another release must not stay beside the new ones.
rm -rf target/lib
mkdir -p target
said=target/fetch.log
# Of all that Maven says, a line for each jar that has come; the rest is for when it fails.
if ! mvn --batch-mode --strict-checksums dependency:copy-dependencies 2>&1 | tee "$said" \
    | sed -nuE 's|.*Downloaded from [^:]+: .*/([^/ ]+\.jar) \(([^)]*)\).*|  \1 (\2)|p'; then
    grep -v '^\[INFO\] Download' "$said" >&2
    echo "Maven could not fetch Kafka; its reason stands above" >&2
    exit 1
fi
