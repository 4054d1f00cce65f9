# make env | lint | format | test | soak | bench | bench-full | demo | demo-ui | stack | docs | screenshots | release-check | clean
# Each target makes the environments that it needs; a second call finds them made.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
UV := $(BIN)/uv
PYTEST_OPTIONS ?=
RELEASE_OPTIONS ?=
HERE := $(shell pwd)

# The S3 servers live in an environment of their own, because MiniStack pins boto3.
export S3BATCH_SERVERS_BIN := $(HERE)/.venv-servers/bin
export AIRFLOW__CORE__LOAD_EXAMPLES := False

# Packages are compiled once, when they are installed: where PYTHONDONTWRITEBYTECODE is set, each process would do it anew.
export UV_COMPILE_BYTECODE := 1

.PHONY: help env machine lint format test test-unit test-integration test-airflow test-e2e test-soak test-lowest test-ui chromium screenshots soak bench bench-full bench-scale-out demo demo-ui stack stack-packages test-stack docs test-docs release-check test-airflow-3.2 test-pythons clean

help:
	@sed -n '1,2s/^# //p' Makefile

env: .venv/made .venv-servers/made

.venv/made: pyproject.toml .ci/constraints.txt
	python=$$(.ci/python) && "$$python" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt uv
	$(UV) pip install --quiet --python $(BIN)/python --constraint .ci/constraints.txt --editable '.[test,lint,bench,openlineage,stack,docs,release]'
	touch $@

.venv-servers/made: .venv/made .ci/servers.in .ci/constraints-servers.txt
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-servers
	$(UV) pip install --quiet --python .venv-servers/bin/python --constraint .ci/constraints-servers.txt --requirements .ci/servers.in
	touch $@

# Airflow 3.1, the lowest one, excludes Python 3.14: where there is no older Python it is left out, in so many words.
LOWEST_PYTHON := $(shell .ci/python 13 2>/dev/null)

# The package's own lowest bounds, then today's pytest beside them.
.venv-lowest/made: .venv/made pyproject.toml .ci/constraints-lowest.txt
	@test -n "$(LOWEST_PYTHON)" || { echo "The lowest versions, of Airflow 3.1, need Python 3.13 or older, and there is none." >&2; exit 1; }
	$(UV) venv --quiet --clear --python "$(LOWEST_PYTHON)" .venv-lowest
	$(UV) pip install --quiet --python .venv-lowest/bin/python --constraint .ci/constraints-lowest.txt --resolution lowest-direct --editable .
	$(UV) pip install --quiet --python .venv-lowest/bin/python --constraint .ci/constraints-lowest.txt --editable '.[test]'
	touch $@

lint: .venv/made
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/yamllint --strict docker
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml
	$(BIN)/hadolint docker/Dockerfile

format: .venv/made
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# All that the tests need. Debian's packages one after the other: apt has a lock.
machine: env $(if $(LOWEST_PYTHON),.venv-lowest/made)
	@$(MAKE) --no-print-directory chromium
	@$(MAKE) --no-print-directory stack-packages

# The last ones run side by side: one waits for schedulers, the others compute.
test: machine test-unit test-integration test-airflow
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target test-stack test-e2e test-soak test-docs test-ui $(if $(LOWEST_PYTHON),test-lowest) release-check
	@test -n "$(LOWEST_PYTHON)" || echo "Not tested: the lowest versions, of Airflow 3.1, which needs Python 3.13 or older."

# $(call pytest,ENVIRONMENT,FOLDERS,OPTIONS) runs the tests of FOLDERS.
pytest = AIRFLOW_HOME=$(HERE)/$(1)/airflow $(1)/bin/python -m pytest $(2) $(3) $(PYTEST_OPTIONS)

# Tests wait for servers and time limits more than they compute: three processes on two cores, each with servers of its own.
# Names of tests that hold sets have to be the same in all processes.
test-unit test-airflow test-lowest test-airflow-3.2: export PYTHONHASHSEED := 0
test-unit: env
	$(call pytest,.venv,tests/unit,-n 2)

test-integration: env
	$(call pytest,.venv,tests/integration tests/contract,-n 3 --dist loadfile)

# A minute of kill -9 at random moments; soak makes it an hour.
test-soak: env
	$(call pytest,.venv,tests/soak)

soak: export S3BATCH_SOAK_S ?= 3600
soak: test-soak

test-airflow: env
	$(call pytest,.venv,tests/airflow,-n 2)

# The page in a real browser, on a real API server.
test-ui: env chromium
	$(call pytest,.venv,tests/ui)

# The site, strictly: a dead link, an unknown anchor or a page in no menu is an error. Nothing is fetched.
docs: env
	$(BIN)/python -m sphinx -W --keep-going -E -n -q -c docs -d build/doctrees . build/site

# Every block of the docs, and the site in a real browser.
test-docs: export PYTHONHASHSEED := 0
test-docs: export S3BATCH_SITE := $(HERE)/build/site
test-docs: docs chromium
	$(call pytest,.venv,tests/docs,-n 2)

# Debian's Chromium, where it is missing and we may install it.
chromium:
	@if ! command -v chromium >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; fi

# The pictures of docs/ui.md, from the database that the tests of the page use, and those of docs/report.md.
screenshots: env chromium
	$(BIN)/python docs/screenshots.py
	$(BIN)/python docs/report_images.py

test-e2e: env
	$(call pytest,.venv,tests/e2e)

# The topology of docker/compose.yaml, two Celery workers and all, while parts of it are killed.
test-stack: env stack-packages
	$(call pytest,.venv,tests/stack)

# Where versions matter: Airflow's interfaces, DuckDB, Arrow and libcurl, pandas. Of the Dags, which take up to ten
# seconds each, those that show whole jobs.
LOWEST_UNIT := $(addprefix tests/unit/,airflow ui engine reports manifests/test_inventory_keys.py manifests/test_sql_catalogue.py manifests/test_publish_manifest.py manifests/test_planning_staged.py)
LOWEST := not ministack and (test_compliance or test_weekly or job_from_inventory or clearing)
test-lowest: env .venv-lowest/made
	$(call pytest,.venv-lowest,$(LOWEST_UNIT),-n 2)
	$(call pytest,.venv-lowest,tests/airflow,-n 2 -k "$(LOWEST)")

# Whether this could be released: builds it twice, looks at it, installs it where nothing else is, builds the site.
release-check: env docs
	$(BIN)/python -m release $(RELEASE_OPTIONS)

# The line of Airflow between the lowest and the newest one: a quarter of an hour, not in CI.
.venv-3.2/made: .venv/made pyproject.toml .ci/constraints-3.2.txt
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-3.2
	$(UV) pip install --quiet --python .venv-3.2/bin/python --constraint .ci/constraints-3.2.txt --editable .
	$(UV) pip install --quiet --python .venv-3.2/bin/python --constraint .ci/constraints-3.2.txt --editable '.[test]'
	touch $@

test-airflow-3.2: env .venv-3.2/made
	$(call pytest,.venv-3.2,$(LOWEST_UNIT),-n 2)
	$(call pytest,.venv-3.2,tests/airflow,-n 2)

# The Pythons of Debian's releases that this machine does not have, each in a folder below PYTHONS: half an hour each,
# root, Linux; not in CI.
export PYTHONS ?= /tmp/s3batch-pythons
test-pythons: env
	.ci/test-python trixie
	.ci/test-python testing

# Ten minutes; bench-full adds rounds and a shard of ten million rows, which takes an hour.
bench: env
	$(BIN)/python -m benchmarks

bench-full: env
	$(BIN)/python -m benchmarks --full

# Ten minutes: throughput against workers, and what shards cost an Airflow of its own.
bench-scale-out: env
	$(BIN)/python -m benchmarks.scale_out

demo: env
	$(BIN)/python -m demo

demo-ui: env
	$(BIN)/python -m demo ui

# What docker/compose.yaml describes, as plain processes on 127.0.0.1; Ctrl-C stops it.
stack: env stack-packages
	$(BIN)/python -m stack up

# Debian's PostgreSQL, Redis and curl, where they are missing and we may install them; no service is started.
stack-packages:
	@if { ! command -v redis-server || ! command -v curl || ! ls /usr/lib/postgresql/*/bin/postgres; } >/dev/null 2>&1 \
		&& command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then .ci/stack-packages; fi

clean:
	-@[ ! -d .stack ] || [ ! -x $(BIN)/python ] || $(BIN)/python -m stack --folder .stack down --volumes
	rm -rf .venv .venv-servers .venv-lowest .venv-3.2 .demo .stack .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
