# Each target prepares what it needs; nothing has to be installed first but Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_CACHE_DIR ?= $(CURDIR)/.cache/pip
# Relative, since pip takes a space in a path for the end of it; the second is what newer pips build with.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Processes that test, each with a PostgreSQL and a Kafka of its own: one leaves half of two cores idle.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo test chaos test-django test-extras matrix lint types bench bench-full bench-peers fmt clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target what; do printf '%-14s %s\n' "$$target" "$$what"; done

$(VENV)/.dev: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(VENV)/.demo $@

$(VENV)/.demo: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

demo: $(VENV)/.demo ## Run the main job end to end: shop, publisher, Kafka, downstream replica
	@$(BIN)/python -m examples.demo

test: $(VENV)/.dev ## Run the whole suite against PostgreSQL and a real Kafka
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

chaos: $(VENV)/.dev ## Break everything for up to an hour; MODE=client/delivery, SEED= repeats the faults
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

test-django: $(VENV)/.dev ## Run Django's own tests with every model captured; an oracle stands beside each
	@$(BIN)/python -m tests.django_suite

test-extras: $(VENV)/.dev ## Install each extra alone in a clean environment and import what it is for
	$(BIN)/python -m local.extras

matrix: $(VENV)/.dev ## Run the tests of the Django side under each Python and Django that there is
	@$(BIN)/python -m local.matrix

lint: $(VENV)/.dev ## Check style, format and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev ## Check types: mypy strict, and what users write with pyright
	$(BIN)/mypy
	$(BIN)/pyright tests/typing

bench: $(VENV)/.dev ## Measure; prints a table, writes flat JSON to the path in BENCH_JSON
	@$(BIN)/python -m benchmarks

bench-full: $(VENV)/.dev ## The same, and what takes long: a backlog of millions, and millions that come and go
	@$(BIN)/python -m benchmarks --suite=full

bench-peers: $(VENV)/.dev ## Measure other relays beside ours: Debezium and two of PyPI
	@$(BIN)/python -m benchmarks --suite=peers

fmt: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

clean: ## Remove the environment, caches and throw-away data
	rm -rf $(VENV) .cache .local .mypy_cache .ruff_cache .pytest_cache .hypothesis
