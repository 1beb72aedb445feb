# Each target sets up what it needs: `make demo` and `make test` work in a fresh clone.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
VENV := .venv/.installed
READERS := .venv-readers/.installed
PEERS := .venv-peers/.installed
JARS := deploy/kafka/target/lib/.complete
STREAMS := tests/bench/peers/contestants/kafka_streams
STREAMS_JARS := $(STREAMS)/target/lib/.complete
STREAMS_JOB := $(STREAMS)/target/classes/.complete
CODE := schemas tables agents streams tests
# More than there are cores, as most tests wait for brokers and sessions.
TEST_PROCESSES ?= 3

.PHONY: help setup demo unit test gold check lint drift bench bench-peers chaos readers k8s lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | while IFS=$$'\t' read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: $(VENV) $(JARS) ## .venv with locked dependencies and the embedded Kafka; nothing when up to date

demo: setup ## Kafka, a views worker and the api, fed by a replay; Ctrl-C ends all of it
	@exec $(BIN)/sluice demo

unit: $(VENV) ## the tests within one process: no Kafka, no S3, no container
	@$(BIN)/pytest tests/unit tests/property tests/architecture tests/contract -m 'not versity' -k 'not moto' \
		-n $(TEST_PROCESSES) --dist worksteal

test: setup ## all tests
	@$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

gold: setup ## tests/golden anew, what commands show in terminals and pipes: look at what git says has changed
	@$(BIN)/pytest -q --regold tests/unit/streams/cli tests/integration/cli/test_golden.py

check: lint drift test ## all that CI runs

lint: setup # format, rules, types, import arrows
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

drift: setup # files that are generated and committed must equal what generates them
	@$(BIN)/sluice schemas check

bench: setup ## the table of docs/performance.md, on this machine
	@$(BIN)/python -m tests.bench

bench-peers: setup $(PEERS) $(STREAMS_JOB) ## Sluice beside Bytewax, Quix Streams, Kafka Streams, Faust; takes ARGS="--only …"
	@$(BIN)/python -m tests.bench.peers $(ARGS)

chaos: setup ## what the suite does in short: more kills, SIGTERMs and values, and 20,000 new examples of every property
	@$(BIN)/pytest tests/chaos --long --kills 50 --terms 200 --timeout 3600
	@$(BIN)/pytest tests/integration --long -m long -n $(TEST_PROCESSES) --dist loadfile
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); \
	echo "properties: this draw is repeated by SEED=$$seed, or by pytest --hypothesis-profile=chaos --hypothesis-seed=$$seed"; \
	PYTEST_TIMEOUT=0 $(BIN)/pytest tests/property --hypothesis-profile=chaos --hypothesis-seed=$$seed

readers: setup $(READERS) ## the recipes of docs/readers.md, with all their readers, and experiments beside another program; Spark needs Java 17
	@$(BIN)/pytest tests/readers

k8s: ## deploy/k8s anew from the chart: needs Helm
	@deploy/dev/render-k8s.sh

lock: $(VENV) ## all requirements.lock anew from pyproject.toml; UPGRADE=1 takes newer versions
	@compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(if $(UPGRADE),--upgrade)"; \
	$$compile --custom-compile-command 'make lock' --extra build --extra dev pyproject.toml -o requirements.lock; \
	$$compile --custom-compile-command 'make lock' --extra build pyproject.toml -c requirements.lock -o deploy/requirements.lock; \
	$$compile --custom-compile-command 'make lock' tests/readers/requirements.in -o tests/readers/requirements.lock; \
	$$compile --custom-compile-command 'make lock' tests/bench/peers/requirements.in -o tests/bench/peers/requirements.lock

clean: ## removes all that the other targets made; stop the demo first
	@rm -rf .venv .venv-readers .venv-peers deploy/kafka/target $(STREAMS)/target .sluice build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV): requirements.lock pyproject.toml
	@deploy/dev/make-venv.sh .venv
	@touch $@

$(READERS): tests/readers/requirements.lock $(VENV)
	@echo "Installing the readers of Bronze"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-readers
	@$(BIN)/uv pip install --quiet --require-hashes --no-deps --python .venv-readers -r tests/readers/requirements.lock
	@touch $@

$(PEERS): tests/bench/peers/requirements.lock $(VENV)
	@echo "Installing the benchmark's peers"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-peers
	@$(BIN)/uv pip install --quiet --require-hashes --no-deps --python .venv-peers -r tests/bench/peers/requirements.lock
	@touch $@

$(JARS): deploy/kafka/pom.xml
	@deploy/dev/fetch-kafka.sh
	@touch $@

$(STREAMS_JARS): $(STREAMS)/pom.xml
	@deploy/dev/fetch-kafka.sh $(STREAMS)
	@touch $@

$(STREAMS_JOB): $(wildcard $(STREAMS)/*.java) $(STREAMS_JARS)
	@command -v javac >/dev/null || { echo "javac is missing: install a JDK (for example openjdk-17-jdk-headless)" >&2; exit 1; }
	@rm -rf $(STREAMS)/target/classes
	@javac -Xlint:all -Werror -d $(STREAMS)/target/classes -cp '$(STREAMS)/target/lib/*' $(STREAMS)/*.java
	@touch $@
