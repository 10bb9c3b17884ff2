# What a person types. Needs make and Python 3.11 or newer; everything else is fetched (`sensorhouse doctor` tells what).

PYTHON ?= python3
UV_VERSION := 0.13.9
# A uv of the machine's own, or one below .tools.
UV := $(shell command -v uv 2>/dev/null || echo .tools/uv/bin/uv)
BIN := .venv/bin
# Most of its time a test waits for a server: two at a time, with servers of their own. `PYTEST="-n 0"` runs one by one.
TOGETHER := -n 2 --dist loadfile --no-loadscope-reorder
PACKAGES := agent api assets bench infra orchestration sensorhouse sensors_io warehouse

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status test faults check lint unit explore fuzz format browser faketime redis nginx superset superset-lock pictures reset clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(BIN)/sensorhouse ## everything that the commands below need

demo: setup ## start it all, fill it with a factory's readings and orders, show where to look (ONCE=1: end after that)
	$(BIN)/sensorhouse demo $(if $(ONCE),--once)

up: setup ## start the local stack and keep it running
	$(BIN)/sensorhouse up

down: setup ## end it; the data stays
	$(BIN)/sensorhouse down

status: setup ## what runs
	$(BIN)/sensorhouse status

test: setup browser faketime redis nginx ## every test, with real Kafka, Postgres, S3, Redis, nginx and a browser
	$(BIN)/pytest tests $(TOGETHER) $(PYTEST)

faults: setup faketime ## every fault: processes and servers killed, cut off, filled up, set back; writes docs/fault-matrix.md
	$(BIN)/pytest tests/faults -m '' --fault-matrix docs/fault-matrix.md $(PYTEST)

check: lint unit ## lint, format, types, layers, unit tests

lint: setup ## the same without tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports

unit: setup ## unit tests only
	$(BIN)/pytest tests/unit

explore: setup ## generated requests for half an hour: against the API's own document as everybody, and orders moved at random
	$(BIN)/pytest tests/integration/test_api_schema.py tests/integration/test_order_sequences.py -m '' $(PYTEST)

fuzz: setup ## a million hostile messages through the codecs, in processes that may die (CASES, SEED)
	$(BIN)/python -m tests.fuzz --cases $(or $(CASES),1000000) $(if $(SEED),--seed $(SEED))

format: setup ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

browser: ## a browser for the tests in tests/browser
	@infra/install-chromium

faketime: ## a clock for the tests in tests/faults to set back
	@infra/install-faketime

superset: setup ## Superset in an environment of its own; without this the first `make up` or `make test` installs it
	@$(BIN)/python -m infra.local.superset

superset-lock: setup ## lock anew what Superset runs on
	$(UV) pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command 'make superset-lock' \
	    infra/superset/requirements.in -o infra/superset/requirements.txt

redis: ## a Redis for the tests of what the API's processes share
	@infra/install-redis

nginx: ## an nginx for the test of the proxy
	@infra/install-nginx

pictures: setup browser ## the documents' pictures, of the stack that runs
	$(BIN)/python -m infra.pictures

.PHONY: bench-ingest
bench-ingest: setup ## how fast readings come in, beside other ways to do it (BENCH="--quick": a few minutes; --help: the rest)
	@$(BIN)/python -m bench.ingest $(BENCH)

.PHONY: bench-orders
bench-orders: setup ## how many orders a second the API takes, and that none is lost (BENCH="--quick": a minute; --help: the rest)
	@$(BIN)/python -m bench.orders $(BENCH)

.PHONY: bench-anomalies
bench-anomalies: setup ## how well the detectors find what is labelled (BENCH="--tsb DIR": the batch one too; --help: the rest)
	@# Beside what is installed already: the detectors that ours are measured against, and what draws.
	@$(UV) sync --frozen --quiet --inexact --group bench
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m bench.anomalies $(BENCH)

.PHONY: bench-marts
bench-marts: setup ## how long the marts of ten million readings take, at once and after late ones (BENCH="--help")
	@$(BIN)/python -m bench.marts $(BENCH)

reset: setup ## end the stack and drop all its data
	$(BIN)/sensorhouse down --drop-data

clean: ## drop the environment and what was built; the stack's data and the downloads stay
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dbt/target dbt/logs

# The stamp is our own command, newer than what it was made from.
$(BIN)/sensorhouse: pyproject.toml uv.lock | $(UV)
	@# Compiled here once: else every run of Dagster would do it again where Python may not write its cache.
	$(UV) sync --frozen --compile-bytecode --python $(PYTHON)
	@touch $@

.tools/uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	    $(PYTHON) -m venv .tools/uv && .tools/uv/bin/pip install --quiet uv==$(UV_VERSION); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	    $(PYTHON) -m pip install --quiet --target .tools/uv uv==$(UV_VERSION); \
	else \
	    echo "This Python has neither ensurepip nor pip: install uv, or python3-venv (apt-get install python3-venv)" >&2; exit 1; \
	fi
