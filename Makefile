# Everything a newcomer types. `make` alone lists the targets.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := 0.13.9
RUN ?= pipelines/demo.yaml
TASK ?= det
ARGS ?=
EXTRAS ?= dev
PINS ?= hashes.txt
INPUTS ?= 20000
ROUNDS ?= 100
MINUTES ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-zoo real degrade label audit zoo-refresh zoo-sweep test fuzz chaos soak vulnerabilities docs lint \
	bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv and install everything into it (no compiling, about a minute)

$(READY): pyproject.toml constraints.txt hashes.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint $(PINS) --editable '.[$(EXTRAS)]'
	@touch $@

demo: $(READY) ## Degrade 8 rendered scenes 250 times, label them with 7 small models, write reports (a few minutes)
	$(BIN)/miqd label --task all --run pipelines/demo.yaml
	$(BIN)/miqd measure --run pipelines/demo.yaml --measures psnr,ssim
	$(BIN)/miqd evaluate --model miqa-small --out runs/demo --resamples 200
	$(BIN)/miqd benchmark --run pipelines/demo.yaml --filtering
	$(BIN)/miqd explore --run pipelines/demo.yaml
	$(BIN)/miqd audit --run pipelines/demo.yaml
	@rm -f runs/demo/quality.csv  # an earlier version of the model may have written it
	$(BIN)/miqd assess pipelines/demo/images --out runs/demo/quality.csv
	@echo
	@echo "Look at    runs/demo/report/index.html (and benchmark.html), runs/demo/images/ and runs/demo/labels/ (Parquet)"
	@echo "Explore    runs/demo/report/explore.html: heat maps, degraded pictures, boxes and masks, in one file"
	@echo "Your own   .venv/bin/miqd assess DIR --out quality.csv: what images, videos and folders are worth to vision models"
	@echo "Try next   make label TASK=det ARGS='--out runs/mine --set source.kind=folder --set source.images=DIR'"

demo-zoo: $(READY) ## Train the demo models again, on the CPU (about an hour)
	$(BIN)/python -m pipelines.demo.train

real: $(READY) ## Label real photographs with real pretrained models from ../shared/real (about an hour)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint $(PINS) --editable '.[dev,ultralytics]'
	$(BIN)/python benchmarks/clean_metrics.py
	$(BIN)/miqd label --task cls --run pipelines/real.yaml
	$(BIN)/miqd label --task det --run pipelines/real.yaml
	$(BIN)/miqd label --task ins --run pipelines/real.yaml
	$(BIN)/miqd audit --run pipelines/real.yaml --task cls
	$(BIN)/miqd audit --run pipelines/real.yaml --task det
	$(BIN)/miqd audit --run pipelines/real.yaml --task ins

degrade: $(READY) ## Render degraded images: make degrade TASK=cls RUN=my.yaml
	$(BIN)/miqd degrade --task $(TASK) --run $(RUN) $(ARGS)

label: $(READY) ## Label them: make label TASK=det RUN=my.yaml
	$(BIN)/miqd label --task $(TASK) --run $(RUN) $(ARGS)

audit: $(READY) ## Summarise the labels and write the report: make audit TASK=ins RUN=my.yaml
	$(BIN)/miqd audit --task $(TASK) --run $(RUN) $(ARGS)

zoo-refresh: $(READY) ## Write the zoo files again from the installed packages (cls, det, ins)
	$(BIN)/python -m miqd_builder.zoo.refresh model_zoo_configs

zoo-sweep: $(READY) ## Build, check and measure every model with random weights on the CPU (resumable, about an hour)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint $(PINS) --editable '.[dev,ultralytics]'
	$(BIN)/miqd zoo verify --random-weights --table docs/model-zoo.md \
		--csv docs/results/model-zoo_random-weights_cpu-1-thread_$$(date +%Y-%m).csv $(ARGS) \
		$(addprefix --zoo ,$(filter-out %/demo.yaml %/roi.yaml %/measures.yaml,$(wildcard model_zoo_configs/*.yaml)))

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest $(ARGS)

fuzz: $(READY) ## Open damaged and hostile inputs: make fuzz INPUTS=20000 (docs/reliability.md)
	$(BIN)/python -m tests.fuzzing $(INPUTS) $(ARGS)

chaos: $(READY) ## Kill, stop, cut off and fill up a run, and compare: make chaos ROUNDS=100 (as root for disks and networks)
	$(BIN)/python -m tests.chaos $(ROUNDS) $(ARGS)

soak: $(READY) ## A run under load, its memory and file handles sampled: make soak MINUTES=60
	$(BIN)/python -m tests.soak $(MINUTES) $(ARGS)

vulnerabilities: $(READY) ## Ask the package index for known vulnerabilities of the pinned packages (network; SECURITY.md)
	$(BIN)/uv tool run pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

docs: $(READY) ## Build the documentation site into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## Run the benchmarks
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## Remove .venv and caches; run folders stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
