PYTHON ?= python3
BIN    := .venv/bin
SETUP  := .venv/setup.stamp
DEV    := .venv/dev.stamp

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: $(SETUP) ## make .venv with everything the product needs (only Python 3.11 or newer must be there)

run: $(SETUP) ## serve standalone on 127.0.0.1; prints the sign-in link and where the first key lies
	@exec $(BIN)/llm-incident-manager serve $(ARGS)

demo: $(SETUP) ## a day at an LLM company, told within a minute
	@exec $(BIN)/llm-incident-manager demo $(ARGS)

test: $(DEV) ## every test, in 15 minutes at most; one folder: make test ARGS=tests/domain
	@scripts/test $(ARGS)

soak: $(DEV) ## the long proof: within an hour, results to docs/soak.md
	@$(BIN)/python -m tests.soak $(ARGS)

bench: $(DEV) ## speed and size, beside prometheus-alertmanager where it is installed
	@scripts/debian-package prometheus-alertmanager prometheus-alertmanager
	@$(BIN)/python -m benchmarks $(ARGS)

check: $(DEV) ## style, types, layers, architecture
	@scripts/check

fix: $(DEV) ## repair what style can repair by itself
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format --quiet

docs: $(DEV) ## every path and link that the documents name exists
	@$(BIN)/python -m scripts.check_docs

requirements: $(DEV) ## which requirements are proven, by which tests
	@$(BIN)/python -m scripts.requirements $(ARGS)

lock: $(DEV) ## resolve both lock files anew
	@scripts/lock $(ARGS)

$(SETUP): requirements.lock pyproject.toml scripts/setup
	@PYTHON='$(PYTHON)' scripts/setup requirements.lock && touch $@

$(DEV): requirements-dev.lock $(SETUP)
	@PYTHON='$(PYTHON)' scripts/setup requirements-dev.lock && touch $@

.DEFAULT_GOAL := help
.PHONY: help setup run demo test soak bench check fix docs requirements lock
