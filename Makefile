# `make` alone lists the commands. Works with GNU make 3.81 and later, parallel (-j) too.

PYTHON ?= python3
DATA ?= sample
STAGE ?= dev
VENVS := $(if $(PIGEONHOLE_VENVS),$(PIGEONHOLE_VENVS),.venvs)
BIN := .venv/bin

TOOLS := .venv/.tools
DEV := .venv/.dev
CONTAINERS := $(VENVS)/ministack/.made $(VENVS)/training/.made $(VENVS)/serving/.made
PYTEST := $(VENVS)/pytest/.made
CLIENTS := $(VENVS)/clients/.made
JAX := $(VENVS)/jax/.made
CUDA := $(VENVS)/cuda/.made
RIVALS := $(VENVS)/bench/.made

.PHONY: help setup setup-test demo up down test test-trouble lint bench lock package deploy destroy clean
.DEFAULT_GOAL := help

help: ## list the commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z][a-z-]*:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(TOOLS) $(CONTAINERS) ## make the environments that everything runs in

setup-test: setup $(DEV) $(PYTEST) $(CLIENTS) $(JAX) $(CUDA)

demo: setup ## the whole loop on real images, in a minute or two (DATA=full: all 70,000)
	@$(BIN)/python -m cli.demo --data $(DATA)

up: setup ## start the local cloud and deploy to it (goes on in the background)
	@$(BIN)/pigeonhole up

down: $(TOOLS) ## stop the local cloud; what it holds stays in .local
	@$(BIN)/pigeonhole down

test: setup-test ## every test: unit, contract, end to end on a local cloud of its own
	@$(BIN)/python .ci/test.py

test-trouble: setup-test ## functions killed at every call, SageMaker failing at each: twenty to forty minutes
	@PIGEONHOLE_TROUBLE=all $(BIN)/python -m pytest -q tests/local/trouble

lint: $(DEV) ## ruff and mypy
	@.ci/lint

bench: setup-test $(RIVALS) ## run the benchmarks
	@for script in bench/*.py; do \
		[ -e "$$script" ] || { echo "bench/ holds no script yet."; exit 0; }; \
		echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
	done

# Last those that take versions of others: of tools.txt, training.txt and jax.txt.
LAST := dev.in jax.in cuda.in
LOCKED := $(filter-out $(LAST),$(notdir $(wildcard requirements/*.in))) $(LAST)

lock: $(DEV) ## pin requirements/*.in anew, with hashes
	@[ -x $(BIN)/uv ] || $(BIN)/python -m pip install --require-hashes -r requirements/uv.txt
	@cd requirements && for file in $(LOCKED); do \
		echo "$$file"; \
		../$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-header \
			--no-emit-index-url --override overrides.txt --python-version 3.11 \
			"$$file" -o "$${file%.in}.txt" || exit 1; \
	done

package: $(TOOLS) ## build the CloudFormation package in build/
	@$(BIN)/pigeonhole package --stage $(STAGE)

deploy: $(TOOLS) ## deploy to your AWS account (STAGE=dev or prod)
	@$(BIN)/pigeonhole deploy --stage $(STAGE)

destroy: $(TOOLS) ## remove what deploy made (STAGE=dev or prod)
	@$(BIN)/pigeonhole destroy --stage $(STAGE)

clean: ## remove environments, builds and the demo's state (keeps .local)
	rm -rf .venv .venv.lock .venvs .demo build pigeonhole.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- environments: made anew when their pinned requirements change ----

ENVIRONMENT := $(PYTHON) .ci/environment.py

$(TOOLS): requirements/tools.txt requirements/uv.txt pyproject.toml
	@$(ENVIRONMENT) venv .venv $@ $< --editable .

$(DEV): requirements/dev.txt $(TOOLS)
	@$(BIN)/python .ci/environment.py add .venv $@ $<

$(VENVS)/%/.made: requirements/%.txt | $(TOOLS)
	@$(ENVIRONMENT) venv $(VENVS)/$* $@ $<

# pytest and JAX for the containers' tests lie beside their environments, so that these stay as
# shipped.
$(PYTEST): requirements/test-containers.txt $(TOOLS)
	@$(BIN)/python .ci/environment.py folder $(VENVS)/pytest $@ $<

$(JAX): requirements/jax.txt $(TOOLS)
	@$(BIN)/python .ci/environment.py folder $(VENVS)/jax $@ $<

$(CUDA): requirements/cuda.txt $(TOOLS)
	@$(BIN)/python .ci/environment.py folder $(VENVS)/cuda $@ $<
