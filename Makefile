# Every target sets up what it needs: a virtual environment in .venv with the pinned versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
TESTS ?= tests
OUT ?= runs/demo
TRAIN_OUT ?= runs/train
SUBSETS_OUT ?= runs/subsets
BACKEND ?= transformers
LOSSES ?= ce lovasz
FRACTIONS ?= 1 0.4 0.1
# As their folders are called, .50 is 0.5; the largest first.
PARTS = $(shell LC_ALL=C printf '%g\n' $(FRACTIONS) | LC_ALL=C sort -rgu)
# `make train` without MODEL takes the built-in tiny model and problems, and settings that fit them.
ifeq ($(MODEL),)
BUILT_IN = base
BASE_OUT = $(if $(filter subsets,$(MAKECMDGOALS)),$(SUBSETS_OUT),$(TRAIN_OUT))
START = $(BASE_OUT)/base
DATA = $(BASE_OUT)/gold.jsonl
TEST = $(BASE_OUT)/held-out.jsonl
FLAGS = --epochs 6 --learning-rate 1e-3 --max-length 256
PROMPT = plain
else
START = $(MODEL)
DATA ?= gsm8k
TEST ?= $(DATA) --split test
endif
MAX_TOKENS ?= 256
PROMPT ?= question-answer

.PHONY: help setup browser demo base train subsets replicate test check mypy pyright clean
help:            ## this list
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(STAMP)  ## make .venv and install datagen into it, with the trainers and the development tools

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "datagen needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt \
	  --editable '.[train,review,dev]'
	@# pip would compile on one core, the packages' tests too. Some have a file for a newer Python, which is no error here.
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true
	@touch $(STAMP)

browser:         ## Debian's Chromium, for the tests of pages; without it they are skipped
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; }

demo: setup      ## the whole RFT loop on the built-in problems and model: no key, no network, no GPU
	$(BIN)/datagen demo --out $(OUT)

base: setup
	$(BIN)/datagen demo --base-only --quiet --out $(BASE_OUT)

train: setup $(BUILT_IN)  ## VFT, samples, groups, AFT, evaluation; MODEL=HUB_ID|FOLDER DATA=gsm8k TEST=... FLAGS='--lora-r 16 --bf16'
	$(BIN)/datagen train vft $(DATA) --model $(START) $(FLAGS) --out $(TRAIN_OUT)/vft
	$(BIN)/datagen sample -k 6 --temperature 1 --max-tokens $(MAX_TOKENS) --dataset $(DATA) --backend $(BACKEND) $(ASK) \
	  --model $(TRAIN_OUT)/vft --out $(TRAIN_OUT)/samples
	$(BIN)/datagen groups --dataset $(DATA) --candidates $(TRAIN_OUT)/samples --max-positives 3 --max-negatives 3 --references \
	  --out $(TRAIN_OUT)/groups
	$(BIN)/datagen train aft $(TRAIN_OUT)/groups --model $(START) $(FLAGS) --out $(TRAIN_OUT)/aft
	$(BIN)/datagen eval $(TRAIN_OUT)/vft $(TRAIN_OUT)/aft --backend transformers $(ASK) --max-tokens $(MAX_TOKENS) --temperature 1 \
	  --dataset $(TEST) --out $(TRAIN_OUT)/eval

subsets: setup $(BUILT_IN)  ## segmentation losses on nested parts of the data: LOSSES='ce lovasz' FRACTIONS='1 0.4 0.1', MODEL, DATA, ... as for train
	$(BIN)/datagen examples --dataset $(DATA) --train-prompt $(PROMPT) $(PARTS:%=--fraction %) --out $(SUBSETS_OUT)/examples
	$(foreach fraction,$(PARTS),$(foreach loss,$(LOSSES),$(subset)))
	$(foreach fraction,$(PARTS),$(compared))

# One model, and its greedy replies; the largest part of the data is the folder `data`, and `ce` is the paper's baseline.
define subset
$(BIN)/datagen train seg $(SUBSETS_OUT)/examples/$(if $(filter $(firstword $(PARTS)),$(fraction)),data,fraction-$(fraction)) \
  --model $(START) --loss $(loss) $(if $(filter ce,$(loss)),--ce-weight 1) $(FLAGS) --out $(SUBSETS_OUT)/$(loss)-$(fraction)
$(BIN)/datagen sample -k 1 --temperature 0 --max-tokens $(MAX_TOKENS) --prompt $(PROMPT) $(ASK) --dataset $(TEST) --backend $(BACKEND) \
  --model $(SUBSETS_OUT)/$(loss)-$(fraction) --out $(SUBSETS_OUT)/replies/$(loss)-$(fraction)

endef
# A table for each part: every loss against the first.
define compared
$(BIN)/datagen eval --dataset $(TEST) $(LOSSES:%=--candidates $(SUBSETS_OUT)/replies/%-$(fraction)) --out $(SUBSETS_OUT)/eval/$(fraction)

endef

replicate: setup ## the papers' comparisons in miniature: hours; docs/ has the results
	$(BIN)/python benchmarks/replicate.py --out runs/replicate
	$(BIN)/python benchmarks/replicate.py --out runs/replicate --seeds 0 1 2 --sweeps
	$(BIN)/python benchmarks/replicate_losses.py --out runs/replicate

test: setup      ## the tests
	$(BIN)/python -m pytest -q -n 2 --dist worksteal $(TESTS)

check: setup     ## lint, formatting and types, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory --jobs 2 --output-sync mypy pyright

mypy:
	$(BIN)/mypy datagen prompts schemas trainers tests benchmarks

pyright:
	$(BIN)/pyright

clean:           ## remove the virtual environment, caches and runs/
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist runs
