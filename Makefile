# Every target sets up what it needs, from the Python package index alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The system's certificates, as git and pip use them: behind a proxy the bundled ones do not do.
# make test VERSIONS='--resolution lowest-direct' takes the lowest versions that pyproject.toml allows.
VERSIONS ?= --constraint constraints.txt
UV := $(BIN)/uv pip install --system-certs --compile-bytecode --python $(BIN)/python $(VERSIONS)

# Each test process imports the same modules: their bytecode is kept even where the shell says not to.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo explore test test-slow test-docs test-faults test-real test-browser check coverage benchmark \
  benchmark-engine benchmark-methods benchmark-simplices benchmark-explorer benchmark-scale \
  benchmark-walks benchmark-workers readme soak fuzz torture docs links dist clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 22

demo: $(VENV)/installed ## run the main job on the embedded models and images
	$(BIN)/blindspots demo --out demo

explore: $(VENV)/installed-dev ## watch traversals live in the browser; Ctrl-C ends it
	$(BIN)/blindspots explore

test: $(VENV)/installed-dev ## the fast test suite
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/installed-dev ## tests that compute for minutes
	$(BIN)/python -m pytest -m slow --timeout 1800

test-docs: $(VENV)/installed-dev ## type every command of README and docs, the demo again
	$(BIN)/python -m pytest -m slow --timeout 900 -n 2 tests/test_typed_docs.py tests/test_readme.py tests/test_live.py

test-faults: $(VENV)/installed-dev ## kill, interrupt and fill the disk, then resume
	$(BIN)/python -m pytest tests/process tests/study tests/store -m faults -n 6 --timeout 1800

test-real: $(VENV)/installed-dev ## a real model on real images, where they are on this machine
	$(BIN)/python -m pytest -m "real and not slow" -n 2 --dist worksteal tests/real

test-browser: $(VENV)/installed-dev ## open report and explorer in Chromium, where there is one
	$(BIN)/python -m pytest -m browser -n 2 --dist loadfile tests/browser

check: $(VENV)/installed-dev ## lint, format, types, import contracts, spelling, words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python .ci/words.py

coverage: $(VENV)/installed-dev ## the fast suite, with the package's coverage
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-fail-under=90

fuzz: $(VENV)/installed-dev ## commands on inputs that are changed at random; seeds are printed
	$(BIN)/python -m benchmarks.fuzz

benchmark: $(VENV)/installed ## reproduce the paper's distance on a real ImageNet model
	$(BIN)/python benchmarks/figure_classes.py

benchmark-engine: $(VENV)/installed ## how close the engine is to the hardware's limit
	$(BIN)/python -m benchmarks.engine mobilenetv2 resnet50 --page docs/benchmark-engine.md

benchmark-methods: $(VENV)/installed ## methods against each other; docs/benchmark.md
	$(BIN)/python -m benchmarks.yardstick $(MODELS) --page docs/benchmark.md

benchmark-simplices: $(VENV)/installed ## how much of a simplex is inside; docs/findings.md
	$(BIN)/python -m benchmarks.findings --page docs/findings.md

benchmark-explorer: $(VENV)/installed-dev ## how quickly the explorer answers; docs/benchmark-explorer.md
	$(BIN)/python -m benchmarks.explorer --page docs/benchmark-explorer.md

benchmark-scale: $(VENV)/installed-dev ## a million pairs planned, resumed, tabled; docs/scaling.md
	$(BIN)/python -m benchmarks.scale

readme: $(VENV)/installed-dev ## README's numbers and pictures, from the demo
	$(BIN)/python -m benchmarks.readme

benchmark-walks: $(VENV)/installed ## how many files a question walks through; docs/architecture.md
	$(BIN)/python -m benchmarks.trace

benchmark-workers: $(VENV)/installed-dev ## what Ray workers cost; docs/scaling.md
	$(BIN)/python -m benchmarks.workers

soak: $(VENV)/installed-dev ## half an hour with a worker killed every minute; docs/scaling.md
	$(BIN)/python -m benchmarks.soak

torture: $(VENV)/installed-dev ## kill, fill the disk, stop, flood; docs/scaling.md
	$(BIN)/python -m benchmarks.torture all --page docs/scaling.md

docs: $(VENV)/installed-docs ## build the documentation site, in docs/_build; warnings are errors
	$(BIN)/python docs/live.py
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

links: $(VENV)/installed-docs ## ask every address outside that the documentation names; needs the network
	$(BIN)/sphinx-build -q -D nb_execution_mode=off -D suppress_warnings=myst-nb.lexer -b linkcheck docs docs/_build/links

dist: $(VENV)/installed-release ## build wheel and sdist into dist/, and check what an index would show
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

clean: ## remove the environment, the demo and what was built
	rm -rf $(VENV) demo dist build docs/_build docs/_live

$(VENV)/bin/uv:
	@echo "setting up $(VENV): on Linux about 6 GB on the disk, nearly all of it torch and CUDA's libraries"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "blindspots needs Python 3.11 or newer, $$($(PYTHON) --version) was found; type make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

$(VENV)/installed: $(VENV)/bin/uv pyproject.toml constraints.txt
	$(UV) --editable '.[torch]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(UV) --editable '.[dev,browser]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(UV) --editable '.[docs]'
	touch $@

$(VENV)/installed-release: $(VENV)/bin/uv pyproject.toml constraints.txt
	$(UV) --editable '.[release]'
	touch $@
