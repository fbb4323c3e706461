# splitmirror: `make help` lists what there is to make.
#
# Everything Python lives in a virtual environment of its own, everything Rust in one target
# folder that cargo, clippy and maturin share. Stamp files in the environment remember what was
# set up, so a second `make test` starts with the tests.

PYTHON ?= python3
CARGO ?= cargo
VENV ?= .venv
CARGO_TARGET_DIR ?= $(CURDIR)/target
# The committed Cargo.lock is what is built; empty this to try newer dependencies.
LOCKED ?= --locked
# Further arguments for pytest, nextest, the demo and the bench: make test PYTEST="-k demo"
PYTEST ?=
NEXTEST ?=
DEMO ?=
BENCH ?=

# The crash and kill campaigns; the tests read these from the environment.
SPLITMIRROR_CRASH_SAMPLES ?= 20000
SPLITMIRROR_KILL_ROUNDS ?= 500
# How long `make soak` runs.
SECONDS ?= 600

BIN := $(VENV)/bin
# Absolute, since build scripts run in folders of their own.
VENV_PYTHON := $(abspath $(BIN)/python)
WHEELS := $(CARGO_TARGET_DIR)/wheels

RUST_FILES := Cargo.toml Cargo.lock $(shell find src -name '*.rs' 2>/dev/null)
PYTHON_FILES := pyproject.toml README.md $(shell find python -name '*.py*' -not -path '*/__pycache__/*' 2>/dev/null)

# maturin builds pyo3 with these three set. Setting them for clippy as well lets both use the same
# build of it instead of each undoing the other's; the third is a file that maturin writes.
export PYO3_PYTHON := $(VENV_PYTHON)
export PYO3_BUILD_EXTENSION_MODULE := 1
PYO3_CONFIG = $(firstword $(wildcard $(abspath $(CARGO_TARGET_DIR))/maturin/pyo3-config-*-abi3.txt))
export CARGO_TARGET_DIR
export CARGO_TERM_PROGRESS_WHEN ?= never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Programs in the environment find each other, and so does maturin its interpreter.
export VIRTUAL_ENV := $(abspath $(VENV))
SHELL := /bin/sh
.SHELLFLAGS := -ec
.DELETE_ON_ERROR:
# Each step uses all cores itself, and the order of the output tells the story.
.NOTPARALLEL:
.DEFAULT_GOAL := help

say = @printf '\n== %s\n' '$(1)'

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- The two commands of the README ---------------------------------------------------------

.PHONY: demo
demo: debian-demo $(VENV)/.wheel ## Build a release wheel, install it in .venv, run the main job twice
	$(call say,splitmirror demo)
	@$(BIN)/splitmirror demo $(DEMO)
	$(call say,splitmirror demo --live)
	@$(BIN)/splitmirror demo --live $(DEMO)

.PHONY: test
test: debian-test $(VENV)/.develop fsx rust-test python-test ## Everything the tests need, then every test
	$(call say,all tests passed)

# --- Set-up ---------------------------------------------------------------------------------

.PHONY: debian-demo debian-test
debian-demo debian-test: debian-%:
	@PYTHON='$(PYTHON)' scripts/install-debian-packages $*

$(VENV)/.venv:
	$(call say,virtual environment $(VENV))
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"splitmirror needs Python 3.11 or newer, this is {v.major}.{v.minor}: make PYTHON=python3.12")'
	@command -v $(CARGO) >/dev/null || { echo 'splitmirror needs Rust 1.90 or newer: cargo was not found' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The demo wants maturin alone, the tests all tools. The second contains the first.
$(VENV)/.build-tools: pyproject.toml | $(VENV)/.venv
	$(call say,maturin)
	@$(BIN)/python scripts/requirements.py build > $@.txt
	$(BIN)/pip install --quiet -r $@.txt
	@touch $@

$(VENV)/.test-tools: pyproject.toml | $(VENV)/.venv
	$(call say,tools for the tests)
	@$(BIN)/python scripts/requirements.py build runtime test dev > $@.txt
	$(BIN)/pip install --quiet -r $@.txt
	@touch $@ $(VENV)/.build-tools

# The environment holds either the release wheel or the editable development build; each
# installation removes the stamp of the other.
$(VENV)/.wheel: $(RUST_FILES) $(PYTHON_FILES) | $(VENV)/.build-tools
	$(call say,release wheel)
	@rm -rf $(VENV)/.develop $(WHEELS)/release
	$(BIN)/maturin build --quiet --release $(LOCKED) --interpreter $(BIN)/python --out $(WHEELS)/release
	$(BIN)/pip install --quiet $(WHEELS)/release/*.whl
	$(BIN)/pip install --quiet --force-reinstall --no-deps $(WHEELS)/release/*.whl
	@touch $@

.PHONY: develop
develop: $(VENV)/.develop ## Build the extension for development, editable in .venv

# Only Rust sources matter here: Python files are used where they are.
$(VENV)/.develop: $(RUST_FILES) pyproject.toml | $(VENV)/.test-tools
	$(call say,development build)
	@rm -f $(VENV)/.wheel
	$(BIN)/maturin develop --quiet $(LOCKED)
	@touch $@

# --- Checks ---------------------------------------------------------------------------------

.PHONY: rust-lint
rust-lint: $(VENV)/.venv ## rustfmt and clippy
	$(call say,rustfmt)
	$(CARGO) fmt --check
	$(call say,clippy)
	$(if $(PYO3_CONFIG),PYO3_CONFIG_FILE='$(PYO3_CONFIG)') $(CARGO) clippy --quiet $(LOCKED) --all-features --all-targets -- -D warnings

# The core is tested without Python. cargo-nextest when it is there, else cargo's own runner.
.PHONY: rust-test
rust-test: rust-lint ## The tests of the Rust core
	$(call say,Rust tests)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run --cargo-quiet $(LOCKED) --features testing $(NEXTEST); \
	else \
		set -x; $(CARGO) test --quiet $(LOCKED) --features testing --lib --tests; \
	fi

.PHONY: python-lint
python-lint: $(VENV)/.develop ## ruff, mypy and the check of the stubs
	$(call say,ruff)
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check
	$(call say,mypy)
	$(BIN)/mypy
	$(call say,stubtest)
	$(BIN)/python -m mypy.stubtest splitmirror._core

# Most tests wait for the disk, and each has devices and mounts of its own: two processes on two
# cores take half the time of one. PYTEST=-n0 for one, to see the output of a test while it runs.
.PHONY: python-test
python-test: python-lint ## The tests of the Python package
	$(call say,Python tests)
	$(BIN)/pytest --numprocesses=auto --dist=worksteal $(PYTEST)

# A test program of file systems, from crates.io; without it the tests that want it are skipped.
FSX_VERSION := 0.3.2
FSX := $(CARGO_TARGET_DIR)/tools/bin/fsx
export SPLITMIRROR_FSX := $(abspath $(FSX))

.PHONY: fsx
fsx: ## Build fsx, the file system exerciser
	@test -x $(FSX) || { printf '\n== fsx\n'; \
		env -u PYO3_PYTHON $(CARGO) install --quiet --debug --locked --version $(FSX_VERSION) --root $(CARGO_TARGET_DIR)/tools fsx \
		|| echo 'fsx could not be built; its tests are skipped' >&2; }

.PHONY: fmt
fmt: $(VENV)/.test-tools ## Format Rust and Python
	$(CARGO) fmt
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

# --- Long runs ------------------------------------------------------------------------------

.PHONY: bench
bench: debian-test $(VENV)/.wheel ## Compare with cp, rsync, cmp and others (BENCH="--size 64M --json FILE")
	$(CARGO) build --quiet --release $(LOCKED) --features export --example passthrough
	$(call say,bench)
	SPLITMIRROR_PASSTHROUGH=$(abspath $(CARGO_TARGET_DIR))/release/examples/passthrough \
		$(BIN)/python benches/bench.py --folder $(CARGO_TARGET_DIR) $(BENCH)

.PHONY: crash
crash: ## Crash tests with SPLITMIRROR_CRASH_SAMPLES (20000) a point, SPLITMIRROR_CRASH_SEED
	$(call say,crash campaign: $(SPLITMIRROR_CRASH_SAMPLES) samples a point)
	SPLITMIRROR_CRASH_SAMPLES=$(SPLITMIRROR_CRASH_SAMPLES) \
		$(CARGO) test $(LOCKED) --release --features testing --test core -- --nocapture

.PHONY: kill
kill: debian-test $(VENV)/.develop ## Kill real processes at SPLITMIRROR_KILL_ROUNDS (500) points
	$(call say,kill campaign: $(SPLITMIRROR_KILL_ROUNDS) rounds)
	SPLITMIRROR_KILL_ROUNDS=$(SPLITMIRROR_KILL_ROUNDS) $(BIN)/pytest -m kill $(PYTEST)

.PHONY: soak
soak: ## Threads against a model for SECONDS (600), choosing by SPLITMIRROR_SOAK_SEED
	$(call say,soak: $(SECONDS) seconds)
	SPLITMIRROR_SOAK_SECONDS=$(SECONDS) \
		$(CARGO) test $(LOCKED) --release --features testing --test soak -- --nocapture

.PHONY: clean
clean: ## Remove the environment, the builds and the caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis python/splitmirror/*.so
	find python tests scripts -name __pycache__ -prune -exec rm -rf {} +
	$(CARGO) clean
