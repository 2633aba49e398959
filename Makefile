# `make run` and `make test` work as the first command on a fresh clone.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install run test check lint format types docs fresh-docs soak bench clean

help:  ## show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

install: $(STAMP)  ## create .venv and install cnnkit with what its development needs

test: $(STAMP)  ## every test but the long ones
	$(BIN)/python -m pytest

check: $(STAMP) lint types fresh-docs test  ## what must be green before a commit lands

lint: $(STAMP)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)  ## mypy
	$(BIN)/mypy

docs: $(STAMP)  ## write the generated parts of the README anew
	$(BIN)/python -m tests.readme --write

fresh-docs: $(STAMP)  ## fail where the generated parts of the README are stale
	$(BIN)/python -m tests.readme --check

soak: $(STAMP)  ## the long tests: kill storms and large lists
	CNNKIT_SOAK=1 $(BIN)/python -m pytest -m soak --timeout 3600

bench: $(STAMP)  ## measure against the peers, all in one run
	$(BIN)/python -m tests.benchmarks

clean:  ## remove what was built
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
