# `make demo` and `make test` do all set-up by themselves; a second run does none.

PYTHON := .venv/bin/python
READY := .venv/.ready

# Nothing is downloaded at run time, and small tensors gain nothing from more threads than these.
export HF_HUB_OFFLINE := 1
export TRANSFORMERS_OFFLINE := 1
export WANDB_MODE := offline
export MPLBACKEND := Agg
export OMP_NUM_THREADS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 8 ? n : 8)))

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench bench-demo bench-training bench-aggregation bench-locks bench-viewer lint format types lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

setup: $(READY) ## create .venv with the locked requirements

$(READY): requirements.lock pyproject.toml
	@.ci/setup

demo: $(READY) ## scene, features, training, masks and scores in outputs/demo, on a CPU
	@.venv/bin/samnerf demo

test: $(READY) ## all tests, on a CPU
	@CUDA_VISIBLE_DEVICES= $(PYTHON) -m pytest

bench: $(READY) ## latency, cost, memory and cold start, mostly on the demo's scene, into benchmarks/results
	@$(PYTHON) benchmarks/view_features.py
	@$(PYTHON) benchmarks/features.py
	@$(PYTHON) benchmarks/prompting.py
	@$(PYTHON) benchmarks/cost.py
	@$(PYTHON) benchmarks/memory.py
	@$(PYTHON) benchmarks/cold_start.py

bench-demo: $(READY) ## the demo three times: every score, and how far it moves
	@$(PYTHON) benchmarks/demo.py

bench-training: $(READY) ## steps a second, and seconds until rendered features are as good as the teacher's
	@$(PYTHON) benchmarks/training.py

bench-aggregation: $(READY) ## ways from rays to feature cells, on three scenes, into benchmarks/results/aggregation.json
	@$(PYTHON) benchmarks/aggregation.py --jobs 2

bench-locks: $(READY) ## objects locked in 3D by one click, on three scenes, into benchmarks/results/locks.json
	@$(PYTHON) benchmarks/locks.py

bench-viewer: $(READY) ## the viewer in Chromium: latency, masks on the screen, a soak, into benchmarks/results/viewer.json
	@$(PYTHON) benchmarks/viewer.py

lint: $(READY) ## ruff: rules and format
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

format: $(READY) ## let ruff mend what it can
	@$(PYTHON) -m ruff check --fix-only .
	@$(PYTHON) -m ruff format .

types: $(READY) ## pyright
	@$(PYTHON) -m pyright

lock: $(READY) ## bring requirements.lock up to pyproject.toml, keeping what still fits
	@$$(command -v uv || echo .venv/bin/uv) pip compile --quiet --extra dev --python-version 3.11 \
		--no-emit-index-url --no-annotate --no-header --output-file requirements.lock pyproject.toml >/dev/null

clean: ## remove .venv and caches; outputs/ stays
	@rm -rf .venv build *.egg-info .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
