# `make run` and `make test` work as the first command on a fresh clone.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

MODEL ?= patternnet
IMAGES ?= cnnkit/zoo/patternnet/pictures
OUT ?= out
PEERS ?= $(OUT)/peers

.PHONY: help install run test unit check lint format types docs fresh-docs soak bench peers patternnet clean

help:  ## show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

install: $(STAMP)  ## create .venv and install cnnkit with what its development needs

run: $(STAMP)  ## name what is in pictures, find what looks alike, train on drawn ones; IMAGES=… MODEL=… for others
	$(BIN)/cnnkit classify --model $(MODEL) --top 3 $(IMAGES) --annotate $(OUT)/labelled
	$(BIN)/cnnkit extract-features --model $(MODEL) $(IMAGES) --store $(OUT)/$(MODEL).h5
	$(BIN)/cnnkit similar --top-n 3 --store $(OUT)/$(MODEL).h5 --contact-sheet $(OUT)/similar.png
	$(BIN)/cnnkit sample-images $(OUT)/drawn --classes cloudy,furry,rippled,swirly --per-class 30 --size 112 > /dev/null
	rm -rf $(OUT)/run
	$(BIN)/cnnkit finetune $(OUT)/drawn --model $(MODEL) --out $(OUT)/run
	@echo "Copies with labels on them: $(OUT)/labelled; what looks alike: $(OUT)/similar.png"
	@echo "A network of your own, trained in seconds: $(OUT)/run; its report: $(OUT)/run/report.html"

test: $(STAMP)  ## every test but the long ones
	$(BIN)/python -m pytest

unit: $(STAMP)  ## only the tests that build no network and need no photographs
	$(BIN)/python -m pytest -m "not network and not real"

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

bench: $(STAMP)  ## measure against the peers, all in one run, into tests/benchmarks/RESULTS.md
	$(BIN)/python -m tests.benchmarks --peers $(PEERS)/bin/python

peers:  ## an environment for the peers of `make bench` that cnnkit does not need (8 GB)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet -r tests/benchmarks/peers.txt

patternnet: $(STAMP)  ## train the packaged network anew (an hour at most; resumes), and measure it
	$(BIN)/python -m cnnkit.nets.train_patternnet --out $(OUT)/patternnet --minutes 60
	$(BIN)/python -m tests.benchmarks.patternnet_quality \
		--weights $(OUT)/patternnet/patternnet.weights.h5

clean:  ## remove what was built
	rm -rf $(VENV) $(OUT) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
