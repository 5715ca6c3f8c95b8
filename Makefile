# The two commands of the README are `make run` and `make test`. Both do the set-up they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= .hone
PORT   ?= 8400
SECONDS ?= 600

LIBS     := libs/contracts libs/chassis libs/hone
SERVICES := services/gateway services/generator services/hub services/trainer services/registry
PROJECTS := $(addsuffix /pyproject.toml,$(LIBS) $(SERVICES))
EDITABLE := $(foreach folder,$(LIBS) $(SERVICES),-e ./$(folder))
PIP      := $(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt

STARTER := build/starter
SHIPPED := libs/hone/hone/starter

RUN_READY   := $(VENV)/.run-ready
TRAIN_READY := $(VENV)/.train-ready
TEST_READY  := $(VENV)/.test-ready

.PHONY: run test test-fast check fuzz format stop starter train-deps bench docs clean help

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY)  ## Start Hone and turn examples/library/requirements.md into an ER diagram
	@HONE_DATA_DIR=$(DATA) $(BIN)/hone status >/dev/null 2>&1 || $(BIN)/hone up --detach --data $(DATA) --port $(PORT)
	@echo "hone generate --type mermaid_erd -f examples/library/requirements.md" >&2
	@HONE_DATA_DIR=$(DATA) $(BIN)/hone generate --type mermaid_erd -f examples/library/requirements.md
	@echo "Hone keeps running. Try it on a text of your own:" >&2
	@echo "  HONE_DATA_DIR=$(DATA) $(BIN)/hone generate --type mermaid_erd -f FILE     (stop it: make stop)" >&2

stop:  ## Stop what `make run` started
	@HONE_DATA_DIR=$(DATA) $(BIN)/hone down

test: check $(TEST_READY)  ## All checks and all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -q

test-fast: $(TEST_READY)  ## The tests without the slow suites
	$(BIN)/python -m pytest -n 2 --dist worksteal -q -m "not slow"

fuzz: $(TEST_READY)  ## Feed mutated GGUF files to the reader for SECONDS (600)
	PYTHONPATH=services/hub/tests $(BIN)/python -m hub_parts.mutations --seconds $(SECONDS)

check: $(TEST_READY)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(TEST_READY)  ## Format and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train-deps: $(TRAIN_READY)  ## Add torch and transformers, which only training needs (gigabytes on Linux)

starter: $(TRAIN_READY)  ## Rebuild the starter model from its seed (an hour; goes on where it was stopped)
	$(BIN)/python -m hone_trainer.starter --seed 1 --out $(STARTER) --resume
	$(BIN)/python -m hone_hub.convert $(STARTER)/hf --out $(SHIPPED)/hone-starter-q8_0.gguf \
	  --quant q8_0 --force --name hone-starter
	$(BIN)/python bench/starter.py --json > $(STARTER)/scores.json
	$(BIN)/python -m hone_trainer.starter.card --run $(STARTER) --scores $(STARTER)/scores.json \
	  --model $(SHIPPED)/hone-starter-q8_0.gguf --out $(SHIPPED)

bench: $(TRAIN_READY)  ## Measure: requests, memory, validators, the starter, learning; then beside LiteLLM
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/path.py
	$(BIN)/python bench/footprint.py
	$(BIN)/python bench/validators.py
	$(BIN)/python bench/starter.py
	$(BIN)/python bench/starter_learning.py
	$(BIN)/python bench/feedback.py
	$(BIN)/python bench/pool.py
	$(BIN)/python bench/dataset_check.py
	$(BIN)/python bench/learning_loop.py
	$(BIN)/python bench/train_data.py
	$(BIN)/python bench/train.py
	$(BIN)/python bench/train.py --qlora
	$(BIN)/python bench/hub.py
	$(BIN)/python bench/hub_convert.py
	$(BIN)/python bench/overhead.py

clean:  ## Remove the environment and what was built
	rm -rf $(VENV) build services/generator/hone_generator/mermaid/built

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Hone needs Python 3.11 to 3.13: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "could not make an environment (on Debian: apt install python3-venv)" >&2; exit 1; }

$(RUN_READY): constraints.txt $(PROJECTS) $(wildcard services/generator/hone_generator/mermaid/node/*.json) | $(BIN)/python
	@echo "Setting up (once): packages, then Mermaid's grammar" >&2
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation $(EDITABLE)
	@$(BIN)/python -m hone_generator.mermaid.build
	@touch $@

$(TRAIN_READY): $(RUN_READY)
	@echo "Adding what training needs (torch: gigabytes on Linux)" >&2
	@$(PIP) --no-build-isolation -e './services/trainer[train]'
	@touch $@

$(TEST_READY): $(TRAIN_READY) requirements-test.txt
	@$(PIP) -r requirements-test.txt
	@touch $@
