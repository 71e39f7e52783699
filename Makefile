# Every target sets up what it needs: a virtual environment in .venv with the pinned versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
TESTS ?= tests
OUT ?= runs/demo

.PHONY: help setup browser demo test check clean
help:            ## this list
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(STAMP)  ## make .venv and install datagen into it, with the trainers and the development tools

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "datagen needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,review,dev]'
	@touch $(STAMP)

browser:         ## Debian's Chromium, for the tests of the review page; without it they are skipped
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; }

demo: setup      ## the whole RFT loop on the built-in problems and model: no key, no network, no GPU
	$(BIN)/datagen demo --out $(OUT)

test: setup      ## the tests
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup $(TESTS)

check: setup     ## lint, formatting and types, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy datagen prompts schemas trainers tests benchmarks
	$(BIN)/pyright

clean:           ## remove the virtual environment, caches and runs/
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist runs
